//! Dropout, residual and layer normalisation in one pass ([arXiv 1607.06450](https://arxiv.org/abs/1607.06450)).

use std::mem::MaybeUninit;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::dropout::{Mask, apply_task, apply_with};
use crate::reduce::in_order;
use crate::simd::{add, rows_per_task, sum};
use crate::uninit::written;

/// The norm's parameters, each as long as a row.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// Factors of the normalised values.
    pub weight: &'a [f32],
    /// Added after the multiplication.
    pub bias: Option<&'a [f32]>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Gradients of the norm's parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterGradients {
    /// Of the weight.
    pub weight: Vec<f32>,
    /// Of the bias: the column sums of the output's gradient, whether the norm has a bias or not.
    pub bias: Vec<f32>,
}

/// `norm(dropout(x) + residual)`, and each row's reciprocal standard deviation. The backward pass needs the latter and the
/// normalised values, which are left in `x`.
pub fn forward(
    arch: Arch,
    x: &mut [f32],
    residual: Option<&[f32]>,
    dropout: Option<Mask>,
    parameters: Parameters,
) -> (Vec<f32>, Vec<f32>) {
    let width = parameters.weight.len();
    let rows = rows_per_task(width);
    let task = rows * width;
    let length = x.len();
    assert!(length.is_multiple_of(width), "whole rows");
    let mut scales = vec![0.0; length / width];
    let write = |[y]: [&mut [MaybeUninit<f32>]; 1]| {
        let tasks = x.par_chunks_mut(task).zip(y.par_chunks_mut(task)).zip(scales.par_chunks_mut(rows)).enumerate();
        tasks.for_each(|(index, ((x, y), scales))| {
            let start = index * task;
            let residual = residual.map(|residual| &residual[start..start + x.len()]);
            let dropout = dropout.map(|mask| (mask, start));
            forward_task(arch, x, residual, dropout, parameters, y, scales);
        });
    };
    // SAFETY: each row of `x` has one in the output, whose elements are all written.
    let [y] = unsafe { written([length], write) };
    (y, scales)
}

kernel! {
    /// Writes every element of `y`, which has as many rows as `x`. Dropout's mask comes with its first element's index.
    fn forward_task<'a>(
        x: &'a mut [f32],
        residual: Option<&'a [f32]>,
        dropout: Option<(Mask, usize)>,
        parameters: Parameters<'a>,
        y: &'a mut [MaybeUninit<f32>],
        scales: &'a mut [f32],
    ) -> () = forward_with
}

#[inline(always)]
fn forward_with<S: Simd>(
    simd: S,
    x: &mut [f32],
    residual: Option<&[f32]>,
    dropout: Option<(Mask, usize)>,
    parameters: Parameters,
    y: &mut [MaybeUninit<f32>],
    scales: &mut [f32],
) {
    let width = parameters.weight.len();
    assert!(x.len() == y.len() && x.len() == scales.len() * width);
    assert!(parameters.bias.is_none_or(|bias| bias.len() == width));
    if let Some((mask, start)) = dropout {
        apply_with(simd, x, mask, start);
    }
    if let Some(residual) = residual {
        add(simd, residual, x);
    }
    for ((row, y), scale) in x.chunks_exact_mut(width).zip(y.chunks_exact_mut(width)).zip(scales) {
        let mean = sum(simd, row) / width as f32;
        *scale = 1.0 / (centre(simd, row, mean) / width as f32 + parameters.epsilon).sqrt();
        let factor = simd.splat_f32s(*scale);
        let (head, tail) = S::as_mut_simd_f32s(&mut *row);
        head.iter_mut().for_each(|x| *x = simd.mul_f32s(*x, factor));
        tail.iter_mut().for_each(|x| *x *= *scale);
        match parameters.bias {
            Some(bias) => {
                lanes!(simd: S; x = &*row, w = parameters.weight, b = bias; {} => out = &mut *y; simd.mul_add_e_f32s(x, w, b));
            }
            None => lanes!(simd: S; x = &*row, w = parameters.weight; {} => out = &mut *y; simd.mul_f32s(x, w)),
        }
    }
}

/// Subtracts the mean from a row and returns the sum of squares of what is left.
#[inline(always)]
fn centre<S: Simd>(simd: S, row: &mut [f32], mean: f32) -> f32 {
    let (head, tail) = S::as_mut_simd_f32s(row);
    let mut squares = simd.splat_f32s(0.0);
    for x in head {
        *x = simd.sub_f32s(*x, simd.splat_f32s(mean));
        squares = simd.mul_add_e_f32s(*x, *x, squares);
    }
    tail.iter_mut().fold(simd.reduce_sum_f32s(squares), |squares, x| {
        *x -= mean;
        *x * *x + squares
    })
}

/// Turns the output's gradient into that of the sum `dropout(x) + residual` (so, of the residual), in place. With dropout, also
/// returns that of `x`.
pub fn backward(
    arch: Arch,
    normalised: &[f32],
    scales: &[f32],
    weight: &[f32],
    gradient: &mut [f32],
    dropout: Option<Mask>,
) -> (ParameterGradients, Option<Vec<f32>>) {
    let width = weight.len();
    let rows = rows_per_task(width);
    let task = rows * width;
    let length = gradient.len();
    let tasks = gradient.par_chunks_mut(task).zip(normalised.par_chunks(task)).zip(scales.par_chunks(rows));
    let run = |((gradient, normalised), scales): ((&mut [f32], &[f32]), &[f32])| {
        // One buffer for both sums.
        let mut sums = vec![0.0; 2 * width];
        backward_task(arch, normalised, scales, weight, gradient, &mut sums);
        sums
    };
    let (parts, dx): (Vec<Vec<f32>>, _) = match dropout {
        None => (tasks.map(run).collect(), None),
        Some(mask) => {
            assert!(normalised.len() == length && scales.len() * width == length);
            let mut parts = Vec::new();
            let write = |[dx]: [&mut [MaybeUninit<f32>]; 1]| {
                let tasks = tasks.zip(dx.par_chunks_mut(task)).enumerate();
                let sums = tasks.map(|(index, (((gradient, normalised), scales), dx))| {
                    let sums = run(((&mut *gradient, normalised), scales));
                    apply_task(arch, dx.write_copy_of_slice(gradient), mask, index * task);
                    sums
                });
                sums.collect_into_vec(&mut parts);
            };
            // SAFETY: there is a task for every chunk of the gradient, which is written to that of the output.
            let [dx] = unsafe { written([length], write) };
            (parts, Some(dx))
        }
    };
    let mut weight = in_order(parts, 2 * width);
    let bias = weight.split_off(width);
    (ParameterGradients { weight, bias }, dx)
}

kernel! {
    fn backward_task<'a>(
        normalised: &'a [f32],
        scales: &'a [f32],
        weight: &'a [f32],
        gradient: &'a mut [f32],
        sums: &'a mut [f32],
    ) -> () = backward_with
}

#[inline(always)]
fn backward_with<S: Simd>(
    simd: S,
    normalised: &[f32],
    scales: &[f32],
    weight: &[f32],
    gradient: &mut [f32],
    sums: &mut [f32],
) {
    let width = weight.len();
    let (weight_sums, bias_sums) = sums.split_at_mut(width);
    for ((gradient, row), &scale) in gradient.chunks_exact_mut(width).zip(normalised.chunks_exact(width)).zip(scales) {
        add(simd, gradient, bias_sums);
        let (mut total, mut inner) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
        let (head, tail) = S::as_mut_simd_f32s(&mut *gradient);
        let ((x, x_tail), (w, w_tail)) = (S::as_simd_f32s(row), S::as_simd_f32s(weight));
        let (sums, sums_tail) = S::as_mut_simd_f32s(&mut *weight_sums);
        for (((g, &x), &w), sum) in head.iter_mut().zip(x).zip(w).zip(sums) {
            *sum = simd.mul_add_e_f32s(*g, x, *sum);
            *g = simd.mul_f32s(*g, w);
            total = simd.add_f32s(total, *g);
            inner = simd.mul_add_e_f32s(*g, x, inner);
        }
        let (mut total, mut inner) = (simd.reduce_sum_f32s(total), simd.reduce_sum_f32s(inner));
        for (((g, x), w), sum) in tail.iter_mut().zip(x_tail).zip(w_tail).zip(sums_tail) {
            *sum += *g * x;
            *g *= w;
            total += *g;
            inner += *g * x;
        }
        // scale * (g - mean(g) - x * mean(g * x))
        let (mean, slope) = (total / width as f32, inner / width as f32);
        let (means, slopes, scales) = (simd.splat_f32s(mean), simd.splat_f32s(slope), simd.splat_f32s(scale));
        let (head, tail) = S::as_mut_simd_f32s(gradient);
        for (g, &x) in head.iter_mut().zip(x) {
            *g = simd.mul_f32s(scales, simd.negate_mul_add_e_f32s(x, slopes, simd.sub_f32s(*g, means)));
        }
        for (g, x) in tail.iter_mut().zip(x_tail) {
            *g = scale * (*g - mean - x * slope);
        }
    }
}

#[cfg(test)]
mod tests;
