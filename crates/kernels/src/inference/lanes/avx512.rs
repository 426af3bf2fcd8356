//! AVX-512 with VNNI: a vector is a register.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all for one reason: `self` proves that the instructions are there"
)]

use super::{Blocks, Lanes, Strided, StridedMut, opaque, unrolled};
use std::arch::x86_64::*;

/// Proof that the processor has AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The processor has the instructions.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// Joins the two halves, their halves, and so on.
macro_rules! fold {
    ($x:ident, $by256:ident, $by128:ident) => {{
        let half = $by256(_mm512_castps512_ps256($x), _mm512_extractf32x8_ps::<1>($x));
        let quarter = $by128(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
        let pair = $by128(quarter, _mm_movehl_ps(quarter, quarter));
        _mm_cvtss_f32($by128(pair, _mm_movehdup_ps(pair)))
    }};
}

// `self` proves that the instructions are there, and slices of sixteen elements have room for a vector.
impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;

    const FLOAT_TILE: [usize; 2] = [9, 3];
    const INT_TILE: [usize; 2] = [9, 3];

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> __m512 {
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; 16]) {
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn abs(self, x: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(x) }
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; 16]) -> __m512i {
        unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn sub_product(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi32(a, _mm512_mullo_epi32(b, c)) }
    }
    #[inline(always)]
    fn round(self, x: __m512) -> __m512i {
        unsafe { _mm512_cvtps_epi32(x) }
    }
    #[inline(always)]
    fn truncate(self, x: __m512) -> __m512i {
        unsafe { _mm512_cvttps_epi32(x) }
    }
    #[inline(always)]
    fn float(self, x: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(x) }
    }
    #[inline(always)]
    fn power_of_two(self, n: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(n, _mm512_set1_epi32(127)))) }
    }
    #[inline(always)]
    fn lookup(self, table: &[f32; 16], indices: __m512i) -> __m512 {
        unsafe { _mm512_permutexvar_ps(indices, _mm512_loadu_ps(table.as_ptr())) }
    }
    #[inline(always)]
    fn store_bytes(self, x: __m512i, to: &mut [u8; 16]) {
        unsafe {
            let bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(x, _mm512_setzero_si512()));
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        }
    }
    #[inline(always)]
    fn transpose(self, rows: [__m512; 16]) -> [__m512; 16] {
        unsafe {
            // Pairs, then quadruples of rows; each quarter of a register then has a column of four rows.
            let mut quads = [_mm512_setzero_ps(); 16];
            for group in 0..4 {
                let [a, b, c, d] = [rows[4 * group], rows[4 * group + 1], rows[4 * group + 2], rows[4 * group + 3]];
                let low = [_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpacklo_ps(c, d))];
                let high = [_mm512_castps_pd(_mm512_unpackhi_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d))];
                quads[4 * group] = _mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1]));
                quads[4 * group + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1]));
                quads[4 * group + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1]));
                quads[4 * group + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1]));
            }
            let mut columns = [_mm512_setzero_ps(); 16];
            for column in 0..4 {
                let [a, b, c, d] = [quads[column], quads[4 + column], quads[8 + column], quads[12 + column]];
                let even = [_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d)];
                let odd = [_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d)];
                columns[column] = _mm512_shuffle_f32x4::<0x88>(even[0], even[1]);
                columns[column + 8] = _mm512_shuffle_f32x4::<0xdd>(even[0], even[1]);
                columns[column + 4] = _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]);
                columns[column + 12] = _mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1]);
            }
            columns
        }
    }
    #[inline(always)]
    fn sum(self, x: __m512) -> f32 {
        unsafe { fold!(x, _mm256_add_ps, _mm_add_ps) }
    }
    #[inline(always)]
    fn largest(self, x: __m512) -> f32 {
        unsafe { fold!(x, _mm256_max_ps, _mm_max_ps) }
    }
    #[inline(always)]
    fn least(self, x: __m512) -> f32 {
        unsafe { fold!(x, _mm256_min_ps, _mm_min_ps) }
    }

    #[inline(always)]
    unsafe fn float_tile<const R: usize, const B: usize, const ADD: bool>(
        self,
        rows: Strided<f32>,
        blocks: Blocks<f32>,
        depth: usize,
        to: StridedMut<f32>,
    ) {
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); B]; R];
            if ADD {
                unrolled!(ROW < R, {
                    let from = to.start.add(ROW * to.stride);
                    unrolled!(COLUMN < B, { sums[ROW][COLUMN] = _mm512_loadu_ps(from.add(16 * COLUMN)) });
                });
            }
            // Three rows share a pointer: more would not fit in registers.
            let mut starts = [0, 3, 6].map(|row| rows.start.wrapping_add(row * rows.stride));
            let mut block = blocks.start;
            macro_rules! step {
                ($k:literal) => {
                    let mut w = [_mm512_setzero_ps(); B];
                    unrolled!(COLUMN < B, {
                        w[COLUMN] =
                            _mm512_loadu_ps(block.wrapping_add(COLUMN * blocks.block_stride + $k * blocks.stride))
                    });
                    unrolled!(ROW < R, {
                        let x = _mm512_set1_ps(*starts[ROW / 3].wrapping_add(ROW % 3 * rows.stride + $k));
                        unrolled!(COLUMN < B, { sums[ROW][COLUMN] = _mm512_fmadd_ps(x, w[COLUMN], sums[ROW][COLUMN]) });
                    });
                };
            }
            for _ in 0..depth / 2 {
                step!(0);
                step!(1);
                starts = starts.map(|start| opaque(start.wrapping_add(2)));
                block = block.wrapping_add(2 * blocks.stride);
            }
            if depth % 2 == 1 {
                step!(0);
            }
            unrolled!(ROW < R, {
                let to = to.start.add(ROW * to.stride);
                unrolled!(COLUMN < B, { _mm512_storeu_ps(to.add(16 * COLUMN), sums[ROW][COLUMN]) });
            });
        }
    }

    #[inline(always)]
    unsafe fn int_tile<const R: usize, const B: usize>(
        self,
        rows: Strided<u8>,
        blocks: Blocks<i8>,
        depth: usize,
        to: StridedMut<i32>,
    ) {
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); B]; R];
            // Three rows share a pointer: more would not fit in registers.
            let mut starts = [0, 3, 6].map(|row| rows.start.wrapping_add(row * rows.stride));
            let mut block = blocks.start;
            macro_rules! step {
                ($k:literal) => {
                    let mut w = [_mm512_setzero_si512(); B];
                    unrolled!(COLUMN < B, {
                        w[COLUMN] = _mm512_loadu_si512(
                            block.wrapping_add(COLUMN * blocks.block_stride + $k * blocks.stride).cast(),
                        );
                    });
                    unrolled!(ROW < R, {
                        let quad = starts[ROW / 3].wrapping_add(ROW % 3 * rows.stride + 4 * $k).cast::<i32>();
                        let x = _mm512_set1_epi32(quad.read_unaligned());
                        unrolled!(COLUMN < B, {
                            sums[ROW][COLUMN] = _mm512_dpbusd_epi32(sums[ROW][COLUMN], x, w[COLUMN])
                        });
                    });
                };
            }
            for _ in 0..depth / 2 {
                step!(0);
                step!(1);
                starts = starts.map(|start| opaque(start.wrapping_add(8)));
                block = block.wrapping_add(2 * blocks.stride);
            }
            if depth % 2 == 1 {
                step!(0);
            }
            unrolled!(ROW < R, {
                let to = to.start.add(ROW * to.stride);
                unrolled!(COLUMN < B, { _mm512_storeu_si512(to.add(16 * COLUMN).cast(), sums[ROW][COLUMN]) });
            });
        }
    }
}
