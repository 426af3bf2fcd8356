//! Attention's softmax: scale, additive mask, softmax and dropout in one pass.

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::dropout::{Mask, fill};
use crate::math::exp;
use crate::simd::{max, rows_per_task, sum};

/// What is added to scores of shape `[rows, heads, queries, keys]`, broadcast where a stride is 0; keys lie side by side.
#[derive(Debug, Clone, Copy)]
pub struct Bias<'a> {
    /// The numbers, minus infinity where a key is not to be seen.
    pub values: &'a [f32],
    /// How far apart rows, heads and queries lie.
    pub strides: [usize; 3],
}

impl Bias<'_> {
    /// The first `keys` numbers for a row, head and query.
    pub(crate) fn row(&self, place: [usize; 3], keys: usize) -> &[f32] {
        let start: usize = place.iter().zip(self.strides).map(|(place, stride)| place * stride).sum();
        &self.values[start..start + keys]
    }
}

/// `softmax(scores * scale + bias)` over the keys, in place, for scores of shape `[rows, heads, queries, keys]`.
///
/// With dropout, the probabilities times the mask go to its slice. The backward pass needs the probabilities only.
/// Where every key is masked with minus infinity, all probabilities are 0.
pub fn forward(
    arch: Arch,
    scores: &mut [f32],
    shape: [usize; 4],
    scale: f32,
    bias: Option<Bias>,
    dropout: Option<(Mask, &mut [f32])>,
) {
    let [_, heads, queries, keys] = shape;
    let (rows, task) = (rows_per_task(keys), rows_per_task(keys) * keys);
    let place = |index: usize| [index / (heads * queries), index / queries % heads, index % queries];
    let row_bias = |index: usize| bias.as_ref().map(|bias| bias.row(place(index), keys));
    match dropout {
        None => scores.par_chunks_mut(task).enumerate().for_each(|(task, scores)| {
            for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
                forward_row(arch, scores, scale, row_bias(task * rows + row));
            }
        }),
        Some((mask, dropped)) => {
            let tasks = scores.par_chunks_mut(task).zip(dropped.par_chunks_mut(task)).enumerate();
            tasks.for_each(|(task, (scores, dropped))| {
                drop_task(arch, mask, task * rows * keys, dropped);
                let pairs = scores.chunks_exact_mut(keys).zip(dropped.chunks_exact_mut(keys));
                for (row, (scores, dropped)) in pairs.enumerate() {
                    forward_row(arch, scores, scale, row_bias(task * rows + row));
                    multiply(arch, scores, dropped);
                }
            });
        }
    }
}

kernel! {
    /// One row of [`forward`] without dropout, in place; hands back the largest score and what the powers were multiplied by.
    pub(crate) fn forward_row<'a>(scores: &'a mut [f32], scale: f32, bias: Option<&'a [f32]>) -> [f32; 2] = forward_with
}
kernel! {
    /// A part of a mask.
    pub(crate) fn drop_task<'a>(mask: Mask, start: usize, values: &'a mut [f32]) -> () = fill
}
kernel! {
    /// Multiplies `y` by `x`.
    pub(crate) fn multiply<'a>(x: &'a [f32], y: &'a mut [f32]) -> () = multiply_with
}
kernel! {
    /// The probabilities again, from the scores and what [`forward_row`] handed back.
    pub(crate) fn again_row<'a>(scores: &'a mut [f32], scale: f32, bias: Option<&'a [f32]>, kept: [f32; 2]) -> () = again_with
}

#[inline(always)]
fn forward_with<S: Simd>(simd: S, scores: &mut [f32], scale: f32, bias: Option<&[f32]>) -> [f32; 2] {
    scale_and_add(simd, scores, scale, bias);
    let largest = max(simd, scores);
    if largest == f32::NEG_INFINITY {
        scores.fill(0.0);
        return [0.0, 0.0];
    }
    powers(simd, scores, largest, 1.0);
    let part = 1.0 / sum(simd, scores);
    let factor = simd.splat_f32s(part);
    let (head, tail) = S::as_mut_simd_f32s(scores);
    head.iter_mut().for_each(|score| *score = simd.mul_f32s(*score, factor));
    tail.iter_mut().for_each(|score| *score *= part);
    [largest, part]
}

#[inline(always)]
fn again_with<S: Simd>(simd: S, scores: &mut [f32], scale: f32, bias: Option<&[f32]>, [largest, part]: [f32; 2]) {
    if part == 0.0 {
        scores.fill(0.0);
        return;
    }
    scale_and_add(simd, scores, scale, bias);
    powers(simd, scores, largest, part);
}

#[inline(always)]
fn scale_and_add<S: Simd>(simd: S, scores: &mut [f32], scale: f32, bias: Option<&[f32]>) {
    let factor = simd.splat_f32s(scale);
    let (head, tail) = S::as_mut_simd_f32s(scores);
    match bias {
        Some(bias) => {
            let (bias, bias_tail) = S::as_simd_f32s(bias);
            for (score, &bias) in head.iter_mut().zip(bias) {
                *score = simd.mul_add_e_f32s(*score, factor, bias);
            }
            for (score, bias) in tail.iter_mut().zip(bias_tail) {
                *score = *score * scale + bias;
            }
        }
        None => {
            head.iter_mut().for_each(|score| *score = simd.mul_f32s(*score, factor));
            tail.iter_mut().for_each(|score| *score *= scale);
        }
    }
}

/// `part * e^(x - largest)`
#[inline(always)]
fn powers<S: Simd>(simd: S, scores: &mut [f32], largest: f32, part: f32) {
    let (shift, factor) = (simd.splat_f32s(largest), simd.splat_f32s(part));
    let (head, tail) = S::as_mut_simd_f32s(scores);
    for score in head {
        *score = simd.mul_f32s(exp(simd, simd.sub_f32s(*score, shift)), factor);
    }
    if !tail.is_empty() {
        let powers = exp(simd, simd.sub_f32s(simd.partial_load_f32s(tail), shift));
        simd.partial_store_f32s(tail, simd.mul_f32s(powers, factor));
    }
}

#[inline(always)]
fn multiply_with<S: Simd>(simd: S, x: &[f32], y: &mut [f32]) {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_mut_simd_f32s(y);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = simd.mul_f32s(*y, x);
    }
    for (y, x) in y_tail.iter_mut().zip(x_tail) {
        *y *= x;
    }
}

/// Turns the gradient of the (dropped) probabilities into that of the scores, in place. That of the bias, before it is
/// summed over what was broadcast, is the same without the scale.
pub fn backward(arch: Arch, probabilities: &[f32], keys: usize, scale: f32, mask: Option<Mask>, gradient: &mut [f32]) {
    let task = rows_per_task(keys) * keys;
    let tasks = gradient.par_chunks_mut(task).zip(probabilities.par_chunks(task)).enumerate();
    tasks.for_each_init(
        || vec![0.0; if mask.is_some() { task } else { 0 }],
        |buffer, (index, (gradient, probabilities))| {
            if let Some(mask) = mask {
                let buffer = &mut buffer[..gradient.len()];
                drop_task(arch, mask, index * task, buffer);
                multiply(arch, buffer, gradient);
            }
            for (gradient, probabilities) in gradient.chunks_exact_mut(keys).zip(probabilities.chunks_exact(keys)) {
                backward_row(arch, probabilities, scale, gradient);
            }
        },
    );
}

kernel! {
    /// One row of [`backward`] without dropout.
    pub(crate) fn backward_row<'a>(probabilities: &'a [f32], scale: f32, gradient: &'a mut [f32]) -> () = backward_with
}

#[inline(always)]
fn backward_with<S: Simd>(simd: S, probabilities: &[f32], scale: f32, gradient: &mut [f32]) {
    // scale * p * (g - sum(g * p))
    let mut total = simd.splat_f32s(0.0);
    lanes!(simd: S; p = probabilities, g = &*gradient; { total = simd.mul_add_e_f32s(p, g, total); });
    let total = simd.reduce_sum_f32s(total);
    let (shift, factor) = (simd.splat_f32s(total), simd.splat_f32s(scale));
    let (p, p_tail) = S::as_simd_f32s(probabilities);
    let (g, g_tail) = S::as_mut_simd_f32s(gradient);
    for (g, &p) in g.iter_mut().zip(p) {
        *g = simd.mul_f32s(simd.mul_f32s(p, factor), simd.sub_f32s(*g, shift));
    }
    for (g, p) in g_tail.iter_mut().zip(p_tail) {
        *g = p * scale * (*g - total);
    }
}

#[cfg(test)]
mod tests;
