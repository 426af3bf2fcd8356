//! Bias and GELU in one pass ([arXiv 1606.08415](https://arxiv.org/abs/1606.08415)).

use std::mem::MaybeUninit;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::math::{exp, normal};
use crate::reduce::in_order;
use crate::simd::{abs, rows_per_task, select};
use crate::uninit::written;

/// Which GELU: two functions go by that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// `x Φ(x)`, with the normal cumulative distribution function Φ: BERT's `gelu`.
    Exact,
    /// The approximation with a hyperbolic tangent: GPT-2's `gelu_new`.
    Tanh,
}

/// `gelu(x + bias)` of rows of `width` elements; the bias has as many.
pub fn forward(arch: Arch, kind: Gelu, x: &[f32], bias: Option<&[f32]>, width: usize) -> Vec<f32> {
    let task = rows_per_task(width) * width;
    let write = |[y]: [&mut [MaybeUninit<f32>]; 1]| {
        y.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(y, x)| match bias {
            Some(bias) => {
                for (y, x) in y.chunks_mut(width).zip(x.chunks(width)) {
                    forward_row(arch, kind, x, Some(bias), y);
                }
            }
            None => forward_row(arch, kind, x, None, y),
        });
    };
    // SAFETY: there is a chunk of `x` for every chunk of the output, whose elements are all written.
    let [y] = unsafe { written([x.len()], write) };
    y
}

kernel! {
    /// Writes every element of `y`, which is as long as `x`.
    fn forward_row<'a>(kind: Gelu, x: &'a [f32], bias: Option<&'a [f32]>, y: &'a mut [MaybeUninit<f32>]) -> ()
        = forward_with
}

#[inline(always)]
fn forward_with<S: Simd>(simd: S, kind: Gelu, x: &[f32], bias: Option<&[f32]>, y: &mut [MaybeUninit<f32>]) {
    assert!(y.len() == x.len() && bias.is_none_or(|bias| bias.len() == x.len()));
    match (kind, bias) {
        (Gelu::Exact, None) => lanes!(simd: S; x = x; {} => out = y; exact(simd, x)),
        (Gelu::Tanh, None) => lanes!(simd: S; x = x; {} => out = y; approximate(simd, x)),
        (Gelu::Exact, Some(bias)) => {
            lanes!(simd: S; x = x, b = bias; {} => out = y; exact(simd, simd.add_f32s(x, b)));
        }
        (Gelu::Tanh, Some(bias)) => {
            lanes!(simd: S; x = x, b = bias; {} => out = y; approximate(simd, simd.add_f32s(x, b)));
        }
    }
}

/// Turns the gradient of `gelu(x + bias)` into that of `x`, in place, and returns that of the bias, if there is one.
pub fn backward(
    arch: Arch,
    kind: Gelu,
    x: &[f32],
    bias: Option<&[f32]>,
    width: usize,
    gradient: &mut [f32],
) -> Option<Vec<f32>> {
    let task = rows_per_task(width) * width;
    let tasks = gradient.par_chunks_mut(task).zip(x.par_chunks(task));
    let Some(bias) = bias else {
        tasks.for_each(|(gradient, x)| backward_all(arch, kind, x, gradient));
        return None;
    };
    let parts = tasks.map(|(gradient, x)| {
        let mut sums = vec![0.0; width];
        backward_rows(arch, kind, x, bias, gradient, &mut sums);
        sums
    });
    Some(in_order(parts.collect(), width))
}

kernel! { fn backward_all<'a>(kind: Gelu, x: &'a [f32], gradient: &'a mut [f32]) -> () = backward_all_with }

#[inline(always)]
fn backward_all_with<S: Simd>(simd: S, kind: Gelu, x: &[f32], gradient: &mut [f32]) {
    let (head, tail) = S::as_mut_simd_f32s(gradient);
    let (x, x_tail) = S::as_simd_f32s(x);
    for (gradient, &x) in head.iter_mut().zip(x) {
        *gradient = simd.mul_f32s(*gradient, slope(simd, kind, x));
    }
    if !tail.is_empty() {
        let product = simd.mul_f32s(simd.partial_load_f32s(tail), slope(simd, kind, simd.partial_load_f32s(x_tail)));
        simd.partial_store_f32s(tail, product);
    }
}

kernel! {
    fn backward_rows<'a>(kind: Gelu, x: &'a [f32], bias: &'a [f32], gradient: &'a mut [f32], sums: &'a mut [f32]) -> ()
        = backward_rows_with
}

#[inline(always)]
fn backward_rows_with<S: Simd>(simd: S, kind: Gelu, x: &[f32], bias: &[f32], gradient: &mut [f32], sums: &mut [f32]) {
    let width = bias.len();
    let (bias, bias_tail) = S::as_simd_f32s(bias);
    let (sums, sums_tail) = S::as_mut_simd_f32s(sums);
    for (gradient, x) in gradient.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        let (head, tail) = S::as_mut_simd_f32s(gradient);
        let (x, x_tail) = S::as_simd_f32s(x);
        for (((gradient, &x), &bias), sum) in head.iter_mut().zip(x).zip(bias).zip(sums.iter_mut()) {
            *gradient = simd.mul_f32s(*gradient, slope(simd, kind, simd.add_f32s(x, bias)));
            *sum = simd.add_f32s(*sum, *gradient);
        }
        if !tail.is_empty() {
            let x = simd.add_f32s(simd.partial_load_f32s(x_tail), simd.partial_load_f32s(bias_tail));
            let product = simd.mul_f32s(simd.partial_load_f32s(tail), slope(simd, kind, x));
            simd.partial_store_f32s(tail, product);
            let total = simd.add_f32s(simd.partial_load_f32s(sums_tail), product);
            simd.partial_store_f32s(sums_tail, total);
        }
    }
}

#[inline(always)]
fn exact<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, normal(simd, x).0)
}

#[inline(always)]
fn approximate<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, gate(simd, x).0)
}

/// `2 sqrt(2 / pi)`, and the approximation's own constant.
const ROOT: f32 = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::SQRT_2;
const CUBE: f32 = 0.044_715;

/// `(1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`, which is the logistic function of twice the argument, and the
/// logistic function's slope there.
#[inline(always)]
fn gate<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let factor = simd.mul_add_e_f32s(simd.mul_f32s(x, x), splat(-ROOT * CUBE), splat(-ROOT));
    // Of the two ends, the one where nothing cancels.
    let power = exp(simd, simd.mul_f32s(abs(simd, x), factor));
    let large = simd.div_f32s(splat(1.0), simd.add_f32s(power, splat(1.0)));
    let small = simd.mul_f32s(power, large);
    let negative = simd.less_than_f32s(x, splat(0.0));
    (select(simd, negative, small, large), simd.mul_f32s(small, large))
}

/// The derivative.
#[inline(always)]
fn slope<S: Simd>(simd: S, kind: Gelu, x: S::f32s) -> S::f32s {
    let splat = |value: f32| simd.splat_f32s(value);
    match kind {
        Gelu::Exact => {
            // Phi(x) + x * phi(x)
            let (below, density) = normal(simd, x);
            simd.mul_add_e_f32s(simd.mul_f32s(x, splat(0.398_942_3)), density, below)
        }
        Gelu::Tanh => {
            // s + x * s' * 2 sqrt(2 / pi) * (1 + 3 * 0.044715 x^2)
            let (gate, steepness) = gate(simd, x);
            let inner = simd.mul_add_e_f32s(simd.mul_f32s(x, x), splat(3.0 * ROOT * CUBE), splat(ROOT));
            simd.mul_add_e_f32s(simd.mul_f32s(x, steepness), inner, gate)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_float, arches, close, numbers, same, with_threads};
    use proptest::prelude::*;

    fn reference(kind: Gelu, x: f64) -> (f64, f64) {
        match kind {
            Gelu::Exact => {
                let below = 0.5 * (1.0 + libm::erf(x / 2f64.sqrt()));
                (x * below, below + x * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt())
            }
            Gelu::Tanh => {
                let root = (2.0 / std::f64::consts::PI).sqrt();
                let t = (root * (x + 0.044715 * x.powi(3))).tanh();
                let inner = root * (1.0 + 3.0 * 0.044715 * x * x);
                (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)
            }
        }
    }

    proptest! {
        #[test]
        fn values_and_gradients_are_right(rows in 1usize..12, width in 1usize..70, seed: u64, biased: bool, scale in 0.1f32..5.0) {
            let x: Vec<f32> = numbers(rows * width, seed).iter().map(|x| x * scale).collect();
            let bias = biased.then(|| numbers(width, !seed));
            let dy = numbers(rows * width, seed ^ 1);
            for kind in [Gelu::Exact, Gelu::Tanh] {
                let exact: Vec<(f64, f64)> = x.iter().enumerate().map(|(index, &x)| {
                    reference(kind, f64::from(x + bias.as_ref().map_or(0.0, |bias| bias[index % width])))
                }).collect();
                let y_expected: Vec<f64> = exact.iter().map(|pair| pair.0).collect();
                let dx_expected: Vec<f64> = exact.iter().zip(&dy).map(|(pair, &dy)| pair.1 * f64::from(dy)).collect();
                for arch in arches() {
                    let y = forward(arch, kind, &x, bias.as_deref(), width);
                    close(&y, &y_expected, 1e-6)?;
                    let mut dx = dy.clone();
                    let sums = backward(arch, kind, &x, bias.as_deref(), width, &mut dx);
                    close(&dx, &dx_expected, 2e-6)?;
                    prop_assert_eq!(sums.is_some(), biased);
                    if let Some(sums) = sums {
                        let expected: Vec<f64> = (0..width)
                            .map(|column| dx_expected.iter().skip(column).step_by(width).sum()).collect();
                        close(&sums, &expected, 1e-5)?;
                    }
                }
            }
        }
    }

    proptest! {
        /// Every instruction set against the portable one, over all bit patterns; NaN stays NaN.
        #[test]
        fn instruction_sets_agree(x in prop::collection::vec(any_float(), 1..40)) {
            for kind in [Gelu::Exact, Gelu::Tanh] {
                let run = |arch| {
                    let mut slopes = vec![1.0; x.len()];
                    backward(arch, kind, &x, None, x.len(), &mut slopes);
                    [forward(arch, kind, &x, None, x.len()), slopes]
                };
                let expected = run(Arch::Scalar);
                for (index, x) in x.iter().enumerate().filter(|(_, x)| x.is_nan()) {
                    prop_assert!(expected.iter().all(|values| values[index].is_nan()), "{}", x);
                }
                for arch in arches() {
                    for (found, expected) in run(arch).iter().zip(&expected) {
                        same(found, expected, 2e-6)?;
                    }
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let (x, bias) = (numbers(300 * 770, 1), numbers(770, 2));
        with_threads(|| {
            let mut gradient = numbers(x.len(), 3);
            let sums = backward(Arch::new(), Gelu::Exact, &x, Some(&bias), 770, &mut gradient);
            (gradient, sums)
        });
    }
}
