//! Any processor.

use std::array::from_fn;

use super::{Blocks, Lanes, Strided, StridedMut};

/// Plain Rust, which the compiler may vectorise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn zip<T: Copy>(a: [T; 16], b: [T; 16], f: impl Fn(T, T) -> T) -> [T; 16] {
    from_fn(|lane| f(a[lane], b[lane]))
}

/// Joins the two halves, their halves, and so on.
#[inline(always)]
fn fold(x: [f32; 16], f: impl Fn(f32, f32) -> f32) -> f32 {
    let x: [f32; 8] = from_fn(|lane| f(x[lane], x[lane + 8]));
    let x: [f32; 4] = from_fn(|lane| f(x[lane], x[lane + 4]));
    f(f(x[0], x[2]), f(x[1], x[3]))
}

fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

impl Lanes for Portable {
    type F = [f32; 16];
    type I = [i32; 16];

    const FLOAT_TILE: [usize; 2] = [4, 1];
    const INT_TILE: [usize; 2] = [4, 1];

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 16] {
        [x; 16]
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> [f32; 16] {
        *x
    }
    #[inline(always)]
    fn store(self, x: [f32; 16], to: &mut [f32; 16]) {
        *to = x;
    }
    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }
    #[inline(always)]
    fn max(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, greater)
    }
    #[inline(always)]
    fn min(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, lesser)
    }
    #[inline(always)]
    fn abs(self, x: [f32; 16]) -> [f32; 16] {
        x.map(f32::abs)
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> [i32; 16] {
        [x; 16]
    }
    #[inline(always)]
    fn load_int(self, x: &[i32; 16]) -> [i32; 16] {
        *x
    }
    #[inline(always)]
    fn sub_product(self, a: [i32; 16], b: [i32; 16], c: [i32; 16]) -> [i32; 16] {
        from_fn(|lane| a[lane].wrapping_sub(b[lane].wrapping_mul(c[lane])))
    }
    #[inline(always)]
    fn round(self, x: [f32; 16]) -> [i32; 16] {
        x.map(|x| x.round_ties_even() as i32)
    }
    #[inline(always)]
    fn truncate(self, x: [f32; 16]) -> [i32; 16] {
        x.map(|x| x as i32)
    }
    #[inline(always)]
    fn float(self, x: [i32; 16]) -> [f32; 16] {
        x.map(|x| x as f32)
    }
    #[inline(always)]
    fn power_of_two(self, n: [i32; 16]) -> [f32; 16] {
        n.map(|n| f32::from_bits((n.wrapping_add(127) << 23).cast_unsigned()))
    }
    #[inline(always)]
    fn lookup(self, table: &[f32; 16], indices: [i32; 16]) -> [f32; 16] {
        indices.map(|index| table[(index & 15) as usize])
    }
    #[inline(always)]
    fn store_bytes(self, x: [i32; 16], to: &mut [u8; 16]) {
        *to = x.map(|x| x.clamp(0, 255) as u8);
    }
    #[inline(always)]
    fn sum(self, x: [f32; 16]) -> f32 {
        fold(x, |a, b| a + b)
    }
    #[inline(always)]
    fn largest(self, x: [f32; 16]) -> f32 {
        fold(x, greater)
    }
    #[inline(always)]
    fn least(self, x: [f32; 16]) -> f32 {
        fold(x, lesser)
    }

    #[inline(always)]
    unsafe fn float_tile<const R: usize, const B: usize, const ADD: bool>(
        self,
        rows: Strided<f32>,
        blocks: Blocks<f32>,
        depth: usize,
        to: StridedMut<f32>,
    ) {
        let mut sums = [[[0.0; 16]; B]; R];
        if ADD {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (block, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller promises that there is such a vector.
                    *sum = unsafe { *to.start.add(row * to.stride + 16 * block).cast() };
                }
            }
        }
        for k in 0..depth {
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller promises that there is such an element.
                let x = [unsafe { *rows.start.add(row * rows.stride + k) }; 16];
                for (block, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller promises that there is such a vector.
                    let w = unsafe { *blocks.start.add(block * blocks.block_stride + k * blocks.stride).cast() };
                    *sum = self.fma(x, w, *sum);
                }
            }
        }
        // SAFETY: the caller promises that there is room.
        unsafe { write_tile(&sums, to) };
    }

    #[inline(always)]
    unsafe fn int_tile<const R: usize, const B: usize>(
        self,
        rows: Strided<u8>,
        blocks: Blocks<i8>,
        depth: usize,
        to: StridedMut<i32>,
    ) {
        let mut sums = [[[0; 16]; B]; R];
        for k in 0..depth {
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller promises that there are such elements.
                let x: [u8; 4] = unsafe { *rows.start.add(row * rows.stride + 4 * k).cast() };
                for (block, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller promises that there is such a vector.
                    let w: [[i8; 4]; 16] =
                        unsafe { *blocks.start.add(block * blocks.block_stride + k * blocks.stride).cast() };
                    for (sum, w) in sums.iter_mut().zip(w) {
                        for (x, w) in x.into_iter().zip(w) {
                            *sum += i32::from(x) * i32::from(w);
                        }
                    }
                }
            }
        }
        // SAFETY: the caller promises that there is room.
        unsafe { write_tile(&sums, to) };
    }
}

/// # Safety
/// There is room for a vector at `to + r * stride + b * 16` for each row and block.
#[inline(always)]
unsafe fn write_tile<T: Copy, const R: usize, const B: usize>(sums: &[[[T; 16]; B]; R], to: StridedMut<T>) {
    for (row, sums) in sums.iter().enumerate() {
        for (block, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller promises that there is room.
            unsafe { *to.start.add(row * to.stride + 16 * block).cast() = sum };
        }
    }
}
