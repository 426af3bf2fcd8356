//! Linear layers: products with a weight, forward and backward.

use pulp::Arch;

use crate::product::{Matrix, Target, large_product, product_with_transpose};
use crate::reduce::column_sums;
use crate::uninit::written;
use crate::{Precision, bf16};

/// A layer's weight, `[inputs, outputs]`.
#[derive(Debug, Clone, Copy)]
pub struct Weight<'a> {
    /// The elements, row by row.
    pub values: &'a [f32],
    /// Inputs and outputs.
    pub shape: [usize; 2],
}

/// Inputs and outputs from which bfloat16 products are faster. The choice depends on the layer alone, so that a row's result
/// does not depend on the other rows.
const WORTH_ROUNDING: usize = 32;

/// Whether a layer's operands are rounded to bfloat16. (Tensors cast to half precision are multiplied by Burn.)
fn is_rounded(precision: Precision, shape: [usize; 2]) -> bool {
    precision == Precision::Bf16 && shape[0].min(shape[1]) >= WORTH_ROUNDING
}

/// Writes a product for a layer of this shape.
fn product(
    precision: Precision,
    shape: [usize; 2],
    target: Target<'_>,
    sizes: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    if is_rounded(precision, shape) {
        bf16::product(target, sizes, left, right);
    } else {
        large_product(target, sizes, left, right);
    }
}

/// `x * weight + bias`: `[rows, inputs]` times `[inputs, outputs]`.
///
/// # Panics
/// When a slice's length does not fit the weight's shape.
pub fn forward(precision: Precision, x: &[f32], weight: Weight<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let shape @ [inputs, outputs] = weight.shape;
    let rows = x.len().checked_div(inputs).unwrap_or(0);
    let (left, right) = (Matrix::dense(x, inputs), Matrix::dense(weight.values, outputs));
    // SAFETY: a product writes every element of its target.
    let [y] = unsafe {
        written([rows * outputs], |[y]| {
            let target = match bias {
                Some(bias) => Target::Biased(y, bias),
                None => Target::New(y),
            };
            product(precision, shape, target, [rows, outputs, inputs], left, right);
        })
    };
    y
}

/// The gradient of an input that one or several layers read: the sum over the layers, each with the gradient of its output.
///
/// # Panics
/// When a slice's length does not fit its weight's shape, or there is no layer.
pub fn backward_input(precision: Precision, layers: &[(Weight<'_>, &[f32])]) -> Vec<f32> {
    let (first, others) = layers.split_first().unwrap_or_else(|| panic!("an input's gradient comes from a layer"));
    // SAFETY: a product writes every element of its target.
    let [mut dx] = unsafe {
        written([rows(*first) * first.0.shape[0]], |[dx]| add_input_gradient(precision, Target::New(dx), *first))
    };
    for &layer in others {
        add_input_gradient(precision, Target::Sum(&mut dx), layer);
    }
    dx
}

fn rows((weight, gradient): (Weight<'_>, &[f32])) -> usize {
    gradient.len().checked_div(weight.shape[1]).unwrap_or(0)
}

fn add_input_gradient(precision: Precision, target: Target<'_>, layer: (Weight<'_>, &[f32])) {
    let (weight, gradient) = layer;
    let [inputs, outputs] = weight.shape;
    let sizes = [rows(layer), inputs, outputs];
    if is_rounded(precision, weight.shape) {
        let right = Matrix::dense(weight.values, outputs).transposed();
        bf16::product(target, sizes, Matrix::dense(gradient, outputs), right);
    } else {
        product_with_transpose(target, sizes, gradient, weight.values);
    }
}

/// The gradient of a weight of this shape.
///
/// # Panics
/// When a slice's length does not fit the shape.
pub fn backward_weight(precision: Precision, x: &[f32], gradient: &[f32], shape: [usize; 2]) -> Vec<f32> {
    let [inputs, outputs] = shape;
    let sizes = [inputs, outputs, x.len().checked_div(inputs).unwrap_or(0)];
    let (left, right) = (Matrix::dense(x, inputs).transposed(), Matrix::dense(gradient, outputs));
    // SAFETY: a product writes every element of its target.
    let [dw] =
        unsafe { written([inputs * outputs], |[dw]| product(precision, shape, Target::New(dw), sizes, left, right)) };
    dw
}

/// The gradient of the bias.
pub fn backward_bias(arch: Arch, gradient: &[f32], outputs: usize) -> Vec<f32> {
    column_sums(arch, gradient, outputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{numbers, with_threads};

    #[test]
    fn threads_change_no_bit() {
        let shape @ [inputs, outputs] = [200, 330];
        let [x, w, g] = [300 * inputs, inputs * outputs, 300 * outputs].map(|length| numbers(length, length as u64));
        let weight = Weight { values: &w, shape };
        for precision in [Precision::F32, Precision::Bf16] {
            with_threads(|| {
                let y = forward(precision, &x, weight, Some(&g[..outputs]));
                let dx = backward_input(precision, &[(weight, &g), (weight, &y)]);
                let dw = backward_weight(precision, &x, &g, shape);
                (y, dx, dw, backward_bias(Arch::new(), &g, outputs))
            });
        }
    }
}
