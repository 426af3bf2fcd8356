//! Products of int8, with and without the instructions of `dotprod`.
//!
//! Both multiply two signed bytes, so rows are shifted by 128: `Σ x w = Σ (x - 128) w + 128 Σ w`. All of it is exact.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all for two reasons: every processor of this architecture has NEON, and callers keep their promises"
)]

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::{Strided, StridedMut, unrolled};
use super::{FOUR, ROWS, each_row};

/// How bytes are multiplied. A type of this trait does not prove that the processor has the instructions.
pub(crate) trait Products: Copy {
    /// Rows of a tile whose sums stay in registers.
    const ROWS: usize;

    /// [`int_tile`](super::Lanes::int_tile) of one block, whose vectors are `stride` elements apart.
    ///
    /// # Safety
    /// As there, and the processor has the instructions.
    unsafe fn column<const R: usize>(
        rows: Strided<u8>,
        block: *const i8,
        stride: usize,
        depth: usize,
        to: StridedMut<i32>,
    );
}

/// With products of 16 bits, which are added in pairs to sums of 32.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widening;

/// With `sdot`: one instruction adds four products to each sum of 32 bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dot;

/// 64 elements.
#[inline(always)]
unsafe fn load(from: *const i8) -> [int8x16_t; 4] {
    unsafe { [vld1q_s8(from), vld1q_s8(from.add(16)), vld1q_s8(from.add(32)), vld1q_s8(from.add(48))] }
}

#[inline(always)]
unsafe fn store(x: [int32x4_t; 4], to: *mut i32) {
    unsafe {
        vst1q_s32(to, x[0]);
        vst1q_s32(to.add(4), x[1]);
        vst1q_s32(to.add(8), x[2]);
        vst1q_s32(to.add(12), x[3]);
    }
}

/// Bytes less 128.
#[inline(always)]
unsafe fn shifted(x: uint8x16_t) -> int8x16_t {
    unsafe { vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(0x80))) }
}

/// The same four bytes, less 128, in each lane of 32 bits.
#[inline(always)]
unsafe fn quad(from: *const u8) -> int8x16_t {
    unsafe { shifted(vreinterpretq_u8_u32(vdupq_n_u32(from.cast::<u32>().read_unaligned()))) }
}

impl Products for Widening {
    // Eight registers for each row, as sums of pairs are kept apart until the end.
    const ROWS: usize = 3;

    #[inline(always)]
    unsafe fn column<const R: usize>(
        rows: Strided<u8>,
        mut block: *const i8,
        stride: usize,
        depth: usize,
        to: StridedMut<i32>,
    ) {
        assert!(R <= Self::ROWS, "a tile has at most {} rows", Self::ROWS);
        unsafe {
            let mut shift = [vdupq_n_s32(0); 4];
            for k in 0..depth {
                let w = load(block.add(k * stride));
                unrolled!(@ PART FOUR { shift[PART] = vpadalq_s16(shift[PART], vpaddlq_s8(w[PART])) } 0 1 2 3);
            }
            let mut sums = [[[vdupq_n_s32(0); 2]; 4]; R];
            let mut row = rows.start;
            for _ in 0..depth {
                let w = load(block);
                each_row!(ROW < R, {
                    let x = quad(row.add(ROW * rows.stride));
                    unrolled!(@ PART FOUR {
                        // A product is at most 2^14, but the sum of two may be 2^15, which 16 bits do not hold.
                        let [low, high] = sums[ROW][PART];
                        let products = vmull_s8(vget_low_s8(w[PART]), vget_low_s8(x));
                        let others = vmull_high_s8(w[PART], x);
                        sums[ROW][PART] = [vpadalq_s16(low, products), vpadalq_s16(high, others)];
                    } 0 1 2 3);
                });
                row = row.wrapping_add(4);
                block = block.wrapping_add(stride);
            }
            each_row!(ROW < R, {
                let mut whole = shift;
                unrolled!(@ PART FOUR {
                    let [low, high] = sums[ROW][PART];
                    whole[PART] = vaddq_s32(vpaddq_s32(low, high), vshlq_n_s32::<7>(whole[PART]));
                } 0 1 2 3);
                store(whole, to.start.add(ROW * to.stride));
            });
        }
    }
}

impl Products for Dot {
    // Registers are used as in products of floats.
    const ROWS: usize = ROWS;

    #[inline(always)]
    unsafe fn column<const R: usize>(
        rows: Strided<u8>,
        mut block: *const i8,
        stride: usize,
        depth: usize,
        to: StridedMut<i32>,
    ) {
        assert!(R <= Self::ROWS, "a tile has at most {} rows", Self::ROWS);
        unsafe {
            let mut shift = [vdupq_n_s32(0); 4];
            for k in 0..depth {
                shift = sdot::<0>(shift, load(block.add(k * stride)), vdupq_n_s8(1));
            }
            let mut sums = [shift.map(|shift| vshlq_n_s32::<7>(shift)); R];
            let mut row = rows.start;
            // Instructions multiply by a lane of a register, so sixteen elements of a row are read at once.
            for _ in 0..depth / 4 {
                let mut x = [vdupq_n_s8(0); R];
                each_row!(ROW < R, { x[ROW] = shifted(vld1q_u8(row.add(ROW * rows.stride))) });
                unrolled!(@ STEP FOUR {
                    let w = load(block);
                    each_row!(ROW < R, { sums[ROW] = sdot::<STEP>(sums[ROW], w, x[ROW]) });
                    block = block.wrapping_add(stride);
                } 0 1 2 3);
                row = row.wrapping_add(16);
            }
            for _ in 0..depth % 4 {
                let w = load(block);
                each_row!(ROW < R, { sums[ROW] = sdot::<0>(sums[ROW], w, quad(row.add(ROW * rows.stride))) });
                row = row.wrapping_add(4);
                block = block.wrapping_add(stride);
            }
            each_row!(ROW < R, { store(sums[ROW], to.start.add(ROW * to.stride)) });
        }
    }
}

/// Adds to each of sixteen sums the products of its four elements of `w` and the four of a lane of `x`. The standard library's
/// functions for these instructions are not stable.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sdot<const LANE: usize>(mut sums: [int32x4_t; 4], w: [int8x16_t; 4], x: int8x16_t) -> [int32x4_t; 4] {
    unsafe {
        asm!(
            "sdot {sum_0:v}.4s, {w_0:v}.16b, {x:v}.4b[{lane}]",
            "sdot {sum_1:v}.4s, {w_1:v}.16b, {x:v}.4b[{lane}]",
            "sdot {sum_2:v}.4s, {w_2:v}.16b, {x:v}.4b[{lane}]",
            "sdot {sum_3:v}.4s, {w_3:v}.16b, {x:v}.4b[{lane}]",
            sum_0 = inout(vreg) sums[0],
            sum_1 = inout(vreg) sums[1],
            sum_2 = inout(vreg) sums[2],
            sum_3 = inout(vreg) sums[3],
            w_0 = in(vreg) w[0],
            w_1 = in(vreg) w[1],
            w_2 = in(vreg) w[2],
            w_3 = in(vreg) w[3],
            x = in(vreg) x,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}
