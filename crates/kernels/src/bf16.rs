//! Matrix products in bfloat16: operands rounded to 8 bits of mantissa, exact products, sums in single precision.
//!
//! This is what the matrix units of processors and GPUs compute in mixed precision, and what `torch.autocast` asks them for. On
//! x86 with `avx512_bf16`, one instruction multiplies and adds twice as many numbers as in single precision; elsewhere the
//! operands are rounded all the same, at no gain.

use rayon::prelude::*;

use crate::product::{Matrix, Target, large_product};

/// Rounds to the nearest bfloat16, ties to even, and returns it as a single-precision number.
pub fn rounded(x: f32) -> f32 {
    f32::from_bits(u32::from(bits(x)) << 16)
}

/// The bits of the nearest bfloat16.
fn bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let upper = (bits >> 16) as u16;
    if x.is_nan() {
        // Rounding could carry into the exponent and end as infinity: truncate, and keep a bit of the payload set.
        return upper | 0x40;
    }
    ((bits + 0x7fff + u32::from(upper & 1)) >> 16) as u16
}

/// Whether this processor multiplies bfloat16 numbers faster than single-precision ones.
pub fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::available();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, with all threads.
pub(crate) fn product(target: Target<'_>, sizes: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        return x86::product(target, sizes, left, right);
    }
    portable_product(target, sizes, left, right);
}

/// The same on any processor: rounds, then multiplies in single precision.
fn portable_product(target: Target<'_>, sizes: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    let [left_values, right_values] =
        [left, right].map(|matrix| matrix.values.par_iter().map(|&x| rounded(x)).collect::<Vec<_>>());
    let left = Matrix { values: &left_values, ..left };
    let right = Matrix { values: &right_values, ..right };
    large_product(target, sizes, left, right);
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;
