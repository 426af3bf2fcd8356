//! AVX2 and FMA: a vector is two registers.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all for one reason: `self` proves that the instructions are there"
)]

use super::{Blocks, Lanes, Strided, StridedMut, opaque, unrolled};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor has the instructions.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// The same operation on both registers.
macro_rules! both {
    ($f:expr, $($x:ident),+) => {
        unsafe { [$f($($x[0]),+), $f($($x[1]),+)] }
    };
}

/// Joins the two halves, their halves, and so on.
macro_rules! fold {
    ($x:ident, $by256:ident, $by128:ident) => {{
        let half = $by256($x[0], $x[1]);
        let quarter = $by128(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
        let pair = $by128(quarter, _mm_movehl_ps(quarter, quarter));
        _mm_cvtss_f32($by128(pair, _mm_movehdup_ps(pair)))
    }};
}

// `self` proves that the instructions are there, and slices of sixteen elements have room for two
// registers.
impl Lanes for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];

    const FLOAT_TILE: [usize; 2] = [6, 1];
    const INT_TILE: [usize; 2] = [3, 1];

    #[inline(always)]
    fn splat(self, x: f32) -> [__m256; 2] {
        [unsafe { _mm256_set1_ps(x) }; 2]
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> [__m256; 2] {
        unsafe { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store(self, x: [__m256; 2], to: &mut [f32; 16]) {
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        both!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        both!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        both!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    fn fma(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        both!(_mm256_fmadd_ps, a, b, c)
    }
    #[inline(always)]
    fn max(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        both!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn min(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        both!(_mm256_min_ps, a, b)
    }
    #[inline(always)]
    fn abs(self, x: [__m256; 2]) -> [__m256; 2] {
        let sign = [unsafe { _mm256_set1_ps(-0.0) }; 2];
        both!(_mm256_andnot_ps, sign, x)
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> [__m256i; 2] {
        [unsafe { _mm256_set1_epi32(x) }; 2]
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; 16]) -> [__m256i; 2] {
        unsafe { [_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(8).cast())] }
    }
    #[inline(always)]
    fn sub_product(self, a: [__m256i; 2], b: [__m256i; 2], c: [__m256i; 2]) -> [__m256i; 2] {
        let products = both!(_mm256_mullo_epi32, b, c);
        both!(_mm256_sub_epi32, a, products)
    }
    #[inline(always)]
    fn round(self, x: [__m256; 2]) -> [__m256i; 2] {
        both!(_mm256_cvtps_epi32, x)
    }
    #[inline(always)]
    fn truncate(self, x: [__m256; 2]) -> [__m256i; 2] {
        both!(_mm256_cvttps_epi32, x)
    }
    #[inline(always)]
    fn float(self, x: [__m256i; 2]) -> [__m256; 2] {
        both!(_mm256_cvtepi32_ps, x)
    }
    #[inline(always)]
    fn power_of_two(self, n: [__m256i; 2]) -> [__m256; 2] {
        n.map(|n| unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, _mm256_set1_epi32(127)))) })
    }
    #[inline(always)]
    fn lookup(self, table: &[f32; 16], indices: [__m256i; 2]) -> [__m256; 2] {
        let [low, high] = self.load(table);
        indices.map(|indices| unsafe {
            // The permutation reads the lower three bits; the fourth, moved to the sign, chooses the half.
            let (low, high) = (_mm256_permutevar8x32_ps(low, indices), _mm256_permutevar8x32_ps(high, indices));
            _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(indices)))
        })
    }
    #[inline(always)]
    fn store_bytes(self, x: [__m256i; 2], to: &mut [u8; 16]) {
        unsafe {
            // Packing works on each half of a register: the four quarters are put back in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(x[0], x[1]));
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        }
    }
    #[inline(always)]
    fn sum(self, x: [__m256; 2]) -> f32 {
        unsafe { fold!(x, _mm256_add_ps, _mm_add_ps) }
    }
    #[inline(always)]
    fn largest(self, x: [__m256; 2]) -> f32 {
        unsafe { fold!(x, _mm256_max_ps, _mm_max_ps) }
    }
    #[inline(always)]
    fn least(self, x: [__m256; 2]) -> f32 {
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
            let mut sums = [[[_mm256_setzero_ps(); 2]; B]; R];
            if ADD {
                unrolled!(ROW < R, {
                    unrolled!(COLUMN < B, {
                        let from = to.start.add(ROW * to.stride + 16 * COLUMN);
                        sums[ROW][COLUMN] = [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))];
                    });
                });
            }
            let mut starts = [rows.start, rows.start.wrapping_add(3 * rows.stride)];
            let mut block = blocks.start;
            for _ in 0..depth {
                unrolled!(COLUMN < B, {
                    let w = block.add(COLUMN * blocks.block_stride);
                    let w = [_mm256_loadu_ps(w), _mm256_loadu_ps(w.add(8))];
                    unrolled!(ROW < R, {
                        let x = _mm256_set1_ps(*starts[ROW / 3 % 2].add(ROW % 3 * rows.stride));
                        let sum = &mut sums[ROW][COLUMN];
                        *sum = [_mm256_fmadd_ps(x, w[0], sum[0]), _mm256_fmadd_ps(x, w[1], sum[1])];
                    });
                });
                starts = starts.map(|start| opaque(start.wrapping_add(1)));
                block = block.wrapping_add(blocks.stride);
            }
            unrolled!(ROW < R, {
                unrolled!(COLUMN < B, {
                    let to = to.start.add(ROW * to.stride + 16 * COLUMN);
                    _mm256_storeu_ps(to, sums[ROW][COLUMN][0]);
                    _mm256_storeu_ps(to.add(8), sums[ROW][COLUMN][1]);
                });
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
            // A register holds, for four columns, the sums over even and over odd pairs of elements.
            let mut sums = [[[_mm256_setzero_si256(); 4]; B]; R];
            let (mut row, mut block) = (rows.start, blocks.start);
            for _ in 0..depth {
                // Products of 16 bits are exact; those of a byte and an int8 would saturate when two are added.
                let mut x = [_mm256_setzero_si256(); R];
                unrolled!(ROW < R, {
                    let quad = row.add(ROW * rows.stride).cast::<i32>().read_unaligned();
                    x[ROW] = _mm256_cvtepu8_epi16(_mm_set1_epi32(quad));
                });
                unrolled!(COLUMN < B, {
                    unrolled!(@ PART FOUR {
                        let w = _mm_loadu_si128(block.add(COLUMN * blocks.block_stride + 16 * PART).cast());
                        let w = _mm256_cvtepi8_epi16(w);
                        unrolled!(ROW < R, {
                            let sum = &mut sums[ROW][COLUMN][PART];
                            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x[ROW], w));
                        });
                    } 0 1 2 3);
                });
                row = opaque(row.wrapping_add(4));
                block = block.wrapping_add(blocks.stride);
            }
            unrolled!(ROW < R, {
                unrolled!(COLUMN < B, {
                    let [a, b, c, d] = sums[ROW][COLUMN];
                    let to = to.start.add(ROW * to.stride + 16 * COLUMN);
                    let low = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b));
                    let high = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(c, d));
                    _mm256_storeu_si256(to.cast(), low);
                    _mm256_storeu_si256(to.add(8).cast(), high);
                });
            });
        }
    }
}

const FOUR: usize = 4;
