//! An affine map, its output written once.

use pulp::Arch;

use crate::product::{Addend, Matrix, large_product, product_with_transpose};
use crate::reduce::column_sums;
use crate::{Precision, bf16};

/// Inputs and outputs from which rounded products are faster. It depends on the map alone, so that a row's result does not
/// depend on the others.
const ROUNDED: usize = 32;

/// Whether a map's factors are rounded in a precision. (Tensors that were cast are multiplied by Burn.)
fn is_rounded(precision: Precision, [inputs, outputs]: [usize; 2]) -> bool {
    precision == Precision::Bf16 && inputs.min(outputs) >= ROUNDED
}

/// Writes a product in a precision, with the addend added.
fn product(
    precision: Precision,
    map: [usize; 2],
    values: &mut [f32],
    addend: Addend<'_>,
    sizes: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    if is_rounded(precision, map) {
        bf16::product(values, addend, sizes, left, right);
    } else {
        large_product(values, addend, sizes, left, right);
    }
}

/// `x * weight + bias` into `y`: `[rows, inputs]` times `[inputs, outputs]`.
///
/// # Panics
/// When a slice's length does not fit the others.
pub fn forward(
    precision: Precision,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    map @ [inputs, outputs]: [usize; 2],
    y: &mut [f32],
) {
    let sizes = [y.len() / outputs.max(1), outputs, inputs];
    let addend = bias.map_or(Addend::Nothing, Addend::Bias);
    product(precision, map, y, addend, sizes, Matrix::dense(x, inputs), Matrix::dense(weight, outputs));
}

/// The gradient of `x` into `dx`, from that of the output; or added to what is there, for an `x` that several maps have.
///
/// # Panics
/// When a slice's length does not fit the others.
pub fn backward_input(
    precision: Precision,
    gradient: &[f32],
    weight: &[f32],
    map @ [inputs, outputs]: [usize; 2],
    add: bool,
    dx: &mut [f32],
) {
    let sizes = [dx.len() / inputs.max(1), inputs, outputs];
    if is_rounded(precision, map) {
        let weight = Matrix::dense(weight, outputs).transposed();
        let addend = if add { Addend::Values } else { Addend::Nothing };
        bf16::product(dx, addend, sizes, Matrix::dense(gradient, outputs), weight);
    } else {
        product_with_transpose(dx, add, sizes, gradient, weight);
    }
}

/// The gradient of the weight into `dw`.
///
/// # Panics
/// When a slice's length does not fit the others.
pub fn backward_weight(
    precision: Precision,
    x: &[f32],
    gradient: &[f32],
    map @ [inputs, outputs]: [usize; 2],
    dw: &mut [f32],
) {
    let sizes = [inputs, outputs, x.len() / inputs.max(1)];
    product(
        precision,
        map,
        dw,
        Addend::Nothing,
        sizes,
        Matrix::dense(x, inputs).transposed(),
        Matrix::dense(gradient, outputs),
    );
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
        let sizes @ [inputs, outputs] = [200, 330];
        let [x, w, g] = [300 * inputs, inputs * outputs, 300 * outputs].map(|length| numbers(length, length as u64));
        for precision in [Precision::F32, Precision::Bf16] {
            with_threads(|| {
                let (mut y, mut dx, mut dw) = (g.clone(), x.clone(), w.clone());
                forward(precision, &x, &w, Some(&g[..outputs]), sizes, &mut y);
                backward_input(precision, &g, &w, sizes, true, &mut dx);
                backward_weight(precision, &x, &g, sizes, &mut dw);
                (y, dx, dw, backward_bias(Arch::new(), &g, outputs))
            });
        }
    }
}
