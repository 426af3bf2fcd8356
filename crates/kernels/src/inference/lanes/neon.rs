//! NEON on 64-bit ARM: a vector is four registers.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all for two reasons: every processor of this architecture has NEON, and callers keep their promises"
)]

use std::arch::aarch64::*;
use std::array::from_fn;
use std::marker::PhantomData;

use super::{Blocks, Lanes, Strided, StridedMut, unrolled};

mod products;

use products::{Dot, Products, Widening};

/// NEON, which every processor of this architecture has, and with `Dot` a proof that it has the dot products of `dotprod` as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon<P>(PhantomData<P>);

impl Neon<Widening> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl Neon<Dot> {
    /// # Safety
    /// The processor has `dotprod`.
    #[inline(always)]
    pub(crate) unsafe fn with_dot() -> Self {
        Self(PhantomData)
    }
}

/// The same operation on all registers.
macro_rules! each {
    ($f:expr, $($x:ident),+) => {
        unsafe { [$f($($x[0]),+), $f($($x[1]),+), $f($($x[2]),+), $f($($x[3]),+)] }
    };
}

/// Joins the two halves, their halves, and so on.
macro_rules! fold {
    ($x:ident, $by:ident) => {
        unsafe {
            let quarter = $by($by($x[0], $x[2]), $by($x[1], $x[3]));
            let pair = $by(quarter, vextq_f32::<2>(quarter, quarter));
            vgetq_lane_f32::<0>($by(pair, vdupq_laneq_f32::<1>(pair)))
        }
    };
}

/// NEON's own maximum is NaN where one of the two is.
#[inline(always)]
unsafe fn greater(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
}

#[inline(always)]
unsafe fn lesser(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
}

/// Sixteen elements.
#[inline(always)]
unsafe fn load(from: *const f32) -> [float32x4_t; 4] {
    unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
}

#[inline(always)]
unsafe fn store(x: [float32x4_t; 4], to: *mut f32) {
    unsafe {
        vst1q_f32(to, x[0]);
        vst1q_f32(to.add(4), x[1]);
        vst1q_f32(to.add(8), x[2]);
        vst1q_f32(to.add(12), x[3]);
    }
}

impl<P: Products> Lanes for Neon<P> {
    type F = [float32x4_t; 4];
    type I = [int32x4_t; 4];

    // Twenty of the 32 registers are sums, five have four elements of a row each, and four are a vector of the block.
    const FLOAT_TILE: [usize; 2] = [5, 1];
    const INT_TILE: [usize; 2] = [P::ROWS, 1];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [unsafe { vdupq_n_f32(x) }; 4]
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        unsafe { load(x.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; 16]) {
        unsafe { store(x, to.as_mut_ptr()) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vaddq_f32, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vsubq_f32, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vmulq_f32, a, b)
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        each!(vfmaq_f32, c, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(greater, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(lesser, a, b)
    }
    #[inline(always)]
    fn abs(self, x: Self::F) -> Self::F {
        each!(vabsq_f32, x)
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> Self::I {
        [unsafe { vdupq_n_s32(x) }; 4]
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; 16]) -> Self::I {
        from_fn(|part| unsafe { vld1q_s32(x.as_ptr().add(4 * part)) })
    }
    #[inline(always)]
    fn sub_product(self, a: Self::I, b: Self::I, c: Self::I) -> Self::I {
        each!(vmlsq_s32, a, b, c)
    }
    #[inline(always)]
    fn round(self, x: Self::F) -> Self::I {
        each!(vcvtnq_s32_f32, x)
    }
    #[inline(always)]
    fn truncate(self, x: Self::F) -> Self::I {
        each!(vcvtq_s32_f32, x)
    }
    #[inline(always)]
    fn float(self, x: Self::I) -> Self::F {
        each!(vcvtq_f32_s32, x)
    }
    #[inline(always)]
    fn power_of_two(self, n: Self::I) -> Self::F {
        n.map(|n| unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127)))) })
    }
    #[inline(always)]
    fn lookup(self, table: &[f32; 16], indices: Self::I) -> Self::F {
        let table = self.load(table);
        let [a, b, c, d] = each!(vreinterpretq_u8_f32, table);
        let table = uint8x16x4_t(a, b, c, d);
        unsafe {
            indices.map(|indices| {
                // The four bytes of element `i` are those from `4 i` on.
                let bytes = vmlaq_s32(vdupq_n_s32(0x0302_0100), indices, vdupq_n_s32(0x0404_0404));
                vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_s32(bytes)))
            })
        }
    }
    #[inline(always)]
    fn store_bytes(self, x: Self::I, to: &mut [u8; 16]) {
        unsafe {
            let low = vqmovun_s16(vcombine_s16(vqmovn_s32(x[0]), vqmovn_s32(x[1])));
            let high = vqmovun_s16(vcombine_s16(vqmovn_s32(x[2]), vqmovn_s32(x[3])));
            vst1q_u8(to.as_mut_ptr(), vcombine_u8(low, high));
        }
    }
    #[inline(always)]
    fn transpose(self, rows: [Self::F; 16]) -> [Self::F; 16] {
        // Four rows of a register each become four columns, which go to the mirrored place.
        let mut columns = [self.splat(0.0); 16];
        for (part, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
            for (quad, columns) in columns.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let [a, b, c, d] = rows.map(|row| row[quad]);
                let found = unsafe { transpose_quad(a, b, c, d) };
                for (column, found) in columns.iter_mut().zip(found) {
                    column[part] = found;
                }
            }
        }
        columns
    }
    #[inline(always)]
    fn sum(self, x: Self::F) -> f32 {
        fold!(x, vaddq_f32)
    }
    #[inline(always)]
    fn largest(self, x: Self::F) -> f32 {
        fold!(x, greater)
    }
    #[inline(always)]
    fn least(self, x: Self::F) -> f32 {
        fold!(x, lesser)
    }

    #[inline(always)]
    unsafe fn float_tile<const R: usize, const B: usize, const ADD: bool>(
        self,
        rows: Strided<f32>,
        blocks: Blocks<f32>,
        depth: usize,
        to: StridedMut<f32>,
    ) {
        for column in 0..B {
            unsafe {
                let block = blocks.start.add(column * blocks.block_stride);
                let to = StridedMut { start: to.start.add(16 * column), ..to };
                float_column::<R, ADD>(rows, block, blocks.stride, depth, to);
            }
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
        for column in 0..B {
            unsafe {
                let block = blocks.start.add(column * blocks.block_stride);
                let to = StridedMut { start: to.start.add(16 * column), ..to };
                P::column::<R>(rows, block, blocks.stride, depth, to);
            }
        }
    }
}

/// Rows of a tile in products of floats.
const ROWS: usize = 5;

/// Repeats a block for each row below `$count`, of at most five.
macro_rules! each_row {
    ($row:ident < $count:ident, $body:block) => {
        unrolled!(@ $row $count $body 0 1 2 3 4)
    };
}
use each_row;

/// [`float_tile`](Lanes::float_tile) of one block.
#[inline(always)]
unsafe fn float_column<const R: usize, const ADD: bool>(
    rows: Strided<f32>,
    mut block: *const f32,
    stride: usize,
    depth: usize,
    to: StridedMut<f32>,
) {
    assert!(R <= ROWS, "a tile has at most {ROWS} rows");
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); 4]; R];
        if ADD {
            each_row!(ROW < R, { sums[ROW] = load(to.start.add(ROW * to.stride)) });
        }
        let mut row = rows.start;
        // Instructions multiply by an element of a register, so four elements of a row are read at once.
        for _ in 0..depth / 4 {
            let mut x = [vdupq_n_f32(0.0); R];
            each_row!(ROW < R, { x[ROW] = vld1q_f32(row.add(ROW * rows.stride)) });
            unrolled!(@ STEP FOUR {
                let w = load(block);
                each_row!(ROW < R, { sums[ROW] = fma_element::<{ STEP as i32 }>(sums[ROW], w, x[ROW]) });
                block = block.wrapping_add(stride);
            } 0 1 2 3);
            row = row.wrapping_add(4);
        }
        for _ in 0..depth % 4 {
            let w = load(block);
            each_row!(ROW < R, {
                let x = vdupq_n_f32(*row.add(ROW * rows.stride));
                sums[ROW] = fma_element::<0>(sums[ROW], w, x);
            });
            row = row.wrapping_add(1);
            block = block.wrapping_add(stride);
        }
        each_row!(ROW < R, { store(sums[ROW], to.start.add(ROW * to.stride)) });
    }
}

const FOUR: usize = 4;

/// Adds the products of sixteen numbers and an element of `x`.
#[inline(always)]
unsafe fn fma_element<const LANE: i32>(sum: [float32x4_t; 4], w: [float32x4_t; 4], x: float32x4_t) -> [float32x4_t; 4] {
    let x = [x; 4];
    each!(vfmaq_laneq_f32::<LANE>, sum, w, x)
}

/// The columns of four rows.
#[inline(always)]
unsafe fn transpose_quad(a: float32x4_t, b: float32x4_t, c: float32x4_t, d: float32x4_t) -> [float32x4_t; 4] {
    unsafe {
        let wide = |x| vreinterpretq_f64_f32(x);
        let even = [wide(vtrn1q_f32(a, b)), wide(vtrn1q_f32(c, d))];
        let odd = [wide(vtrn2q_f32(a, b)), wide(vtrn2q_f32(c, d))];
        [
            vreinterpretq_f32_f64(vtrn1q_f64(even[0], even[1])),
            vreinterpretq_f32_f64(vtrn1q_f64(odd[0], odd[1])),
            vreinterpretq_f32_f64(vtrn2q_f64(even[0], even[1])),
            vreinterpretq_f32_f64(vtrn2q_f64(odd[0], odd[1])),
        ]
    }
}
