//! An affine map, its output written once.

use pulp::Arch;

use crate::product::{Matrix, large_product};
use crate::reduce::column_sums;

/// `x * weight + bias` into `y`: `[rows, inputs]` times `[inputs, outputs]`.
///
/// # Panics
/// When a slice's length does not fit the others.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [inputs, outputs]: [usize; 2], y: &mut [f32]) {
    if let Some(bias) = bias {
        y.chunks_exact_mut(outputs).for_each(|y| y.copy_from_slice(bias));
    }
    let sizes = [y.len() / outputs.max(1), outputs, inputs];
    large_product(y, bias.is_some(), sizes, Matrix::dense(x, inputs), Matrix::dense(weight, outputs));
}

/// The gradient of `x` into `dx`, from that of the output.
///
/// # Panics
/// When a slice's length does not fit the others.
pub fn backward_input(gradient: &[f32], weight: &[f32], [inputs, outputs]: [usize; 2], dx: &mut [f32]) {
    let sizes = [dx.len() / inputs.max(1), inputs, outputs];
    large_product(dx, false, sizes, Matrix::dense(gradient, outputs), Matrix::dense(weight, outputs).transposed());
}

/// The gradient of the weight into `dw`.
///
/// # Panics
/// When a slice's length does not fit the others.
pub fn backward_weight(x: &[f32], gradient: &[f32], [inputs, outputs]: [usize; 2], dw: &mut [f32]) {
    let sizes = [inputs, outputs, x.len() / inputs.max(1)];
    large_product(dw, false, sizes, Matrix::dense(x, inputs).transposed(), Matrix::dense(gradient, outputs));
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
        with_threads(|| {
            let (mut y, mut dx, mut dw) = (g.clone(), x.clone(), w.clone());
            forward(&x, &w, Some(&g[..outputs]), sizes, &mut y);
            backward_input(&g, &w, sizes, &mut dx);
            backward_weight(&x, &g, sizes, &mut dw);
            (y, dx, dw, backward_bias(Arch::new(), &g, outputs))
        });
    }
}
