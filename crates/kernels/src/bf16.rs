//! Products of matrices in bfloat16: factors rounded to 8 bits of mantissa, their products exact, sums in single precision.
//!
//! That is what the matrix units of processors and GPUs do in mixed precision, and what `torch.autocast` asks them for. On
//! x86 with `avx512_bf16` one instruction multiplies and adds twice as many numbers as in single precision; elsewhere the
//! factors are rounded all the same, and nothing is gained.

use rayon::prelude::*;

use crate::product::{Addend, Matrix, large_product};

/// Rounds to the nearest bfloat16, to even between two, as a single-precision number.
pub fn rounded(x: f32) -> f32 {
    f32::from_bits(u32::from(bits(x)) << 16)
}

/// The upper half of the nearest number whose lower half is zero.
fn bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let upper = (bits >> 16) as u16;
    if x.is_nan() {
        // Of what was in the lower half, nothing is carried into the exponent; the result stays no number.
        return upper | 0x40;
    }
    ((bits + 0x7fff + u32::from(upper & 1)) >> 16) as u16
}

/// Whether this processor multiplies bfloat16 numbers faster than others.
pub fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::available();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, whose rows follow each other, with all threads; the addend is added.
pub(crate) fn product(values: &mut [f32], addend: Addend<'_>, sizes: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        return x86::product(values, addend, sizes, left, right);
    }
    rounded_product(values, addend, sizes, left, right);
}

/// The same by other means: rounds, then multiplies in single precision.
fn rounded_product(values: &mut [f32], addend: Addend<'_>, sizes: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    let [left_values, right_values] =
        [left, right].map(|matrix| matrix.values.par_iter().map(|&x| rounded(x)).collect::<Vec<_>>());
    let left = Matrix { values: &left_values, ..left };
    let right = Matrix { values: &right_values, ..right };
    large_product(values, addend, sizes, left, right);
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;
