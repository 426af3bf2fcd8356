//! Attention's softmax: scale, additive mask, softmax and dropout in one pass.

use std::mem::MaybeUninit;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::dropout::{Mask, apply_task, fill};
use crate::math::exp;
use crate::simd::{max, multiply, rows_per_task, sum};
use crate::uninit::written;

/// A bias of scores of shape `[rows, heads, queries, keys]`, broadcast where a stride is 0; keys are contiguous.
#[derive(Debug, Clone, Copy)]
pub struct Bias<'a> {
    /// The elements; minus infinity hides a key.
    pub values: &'a [f32],
    /// The strides of rows, heads and queries.
    pub strides: [usize; 3],
}

impl Bias<'_> {
    /// The first `keys` elements for a row, head and query.
    pub(crate) fn row(&self, place: [usize; 3], keys: usize) -> &[f32] {
        let start: usize = place.iter().zip(self.strides).map(|(place, stride)| place * stride).sum();
        &self.values[start..start + keys]
    }
}

/// `softmax(scores * scale + bias)` over the keys, in place, for scores of shape `[rows, heads, queries, keys]`. With dropout,
/// also returns the dropped probabilities; the backward pass needs the plain ones only.
///
/// Where every key is masked with minus infinity, all probabilities are 0.
pub fn forward(
    arch: Arch,
    scores: &mut [f32],
    shape: [usize; 4],
    scale: f32,
    bias: Option<Bias>,
    dropout: Option<Mask>,
) -> Option<Vec<f32>> {
    let [_, heads, queries, keys] = shape;
    let (rows, task) = (rows_per_task(keys), rows_per_task(keys) * keys);
    let place = |index: usize| [index / (heads * queries), index / queries % heads, index % queries];
    let row_bias = |index: usize| bias.as_ref().map(|bias| bias.row(place(index), keys));
    let run = |index: usize, scores: &mut [f32]| {
        for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
            forward_row(arch, scores, scale, row_bias(index * rows + row));
        }
    };
    let length = scores.len();
    let tasks = scores.par_chunks_mut(task);
    let Some(mask) = dropout else {
        tasks.enumerate().for_each(|(index, scores)| run(index, scores));
        return None;
    };
    let write = |[dropped]: [&mut [MaybeUninit<f32>]; 1]| {
        tasks.zip(dropped.par_chunks_mut(task)).enumerate().for_each(|(index, (scores, dropped))| {
            run(index, scores);
            apply_task(arch, dropped.write_copy_of_slice(scores), mask, index * task);
        });
    };
    // SAFETY: there is a task for every chunk of the scores, which is written to that of the output.
    let [dropped] = unsafe { written([length], write) };
    Some(dropped)
}

kernel! {
    /// One row of [`forward`] without dropout, in place. Returns the largest score and the factor of the exponentials.
    pub(crate) fn forward_row<'a>(scores: &'a mut [f32], scale: f32, bias: Option<&'a [f32]>) -> [f32; 2] = forward_with
}
kernel! {
    /// The elements of a mask from `start` on.
    pub(crate) fn fill_task<'a>(mask: Mask, start: usize, values: &'a mut [f32]) -> () = fill
}
kernel! {
    /// Multiplies `y` by `x`.
    pub(crate) fn multiply_task<'a>(x: &'a [f32], y: &'a mut [f32]) -> () = multiply
}
kernel! {
    /// The probabilities again, from the scores and what [`forward_row`] returned.
    pub(crate) fn recompute_row<'a>(scores: &'a mut [f32], scale: f32, bias: Option<&'a [f32]>, kept: [f32; 2]) -> ()
        = recompute_with
}

#[inline(always)]
fn forward_with<S: Simd>(simd: S, scores: &mut [f32], scale: f32, bias: Option<&[f32]>) -> [f32; 2] {
    scale_and_add(simd, scores, scale, bias);
    let largest = max(simd, scores);
    if largest == f32::NEG_INFINITY {
        scores.fill(0.0);
        return [0.0, 0.0];
    }
    exponentials(simd, scores, largest, 1.0);
    let part = 1.0 / sum(simd, scores);
    let factor = simd.splat_f32s(part);
    let (head, tail) = S::as_mut_simd_f32s(scores);
    head.iter_mut().for_each(|score| *score = simd.mul_f32s(*score, factor));
    tail.iter_mut().for_each(|score| *score *= part);
    [largest, part]
}

#[inline(always)]
fn recompute_with<S: Simd>(simd: S, scores: &mut [f32], scale: f32, bias: Option<&[f32]>, [largest, part]: [f32; 2]) {
    if part == 0.0 {
        scores.fill(0.0);
        return;
    }
    scale_and_add(simd, scores, scale, bias);
    exponentials(simd, scores, largest, part);
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
fn exponentials<S: Simd>(simd: S, scores: &mut [f32], largest: f32, part: f32) {
    let (shift, factor) = (simd.splat_f32s(largest), simd.splat_f32s(part));
    let (head, tail) = S::as_mut_simd_f32s(scores);
    for score in head {
        *score = simd.mul_f32s(exp(simd, simd.sub_f32s(*score, shift)), factor);
    }
    if !tail.is_empty() {
        let exponentials = exp(simd, simd.sub_f32s(simd.partial_load_f32s(tail), shift));
        simd.partial_store_f32s(tail, simd.mul_f32s(exponentials, factor));
    }
}

/// Turns the gradient of the (dropped) probabilities into that of the scores, in place. The gradient of the bias, before it is
/// summed over the broadcast axes, is the same without the scale.
pub fn backward(arch: Arch, probabilities: &[f32], keys: usize, scale: f32, mask: Option<Mask>, gradient: &mut [f32]) {
    let task = rows_per_task(keys) * keys;
    let tasks = gradient.par_chunks_mut(task).zip(probabilities.par_chunks(task)).enumerate();
    tasks.for_each(|(index, (gradient, probabilities))| {
        if let Some(mask) = mask {
            apply_task(arch, gradient, mask, index * task);
        }
        for (gradient, probabilities) in gradient.chunks_exact_mut(keys).zip(probabilities.chunks_exact(keys)) {
            backward_row(arch, probabilities, scale, gradient);
        }
    });
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
