//! Dropout, residual and layer normalisation.

use burn::tensor::Tensor;
use firebrand_kernels::Mask;

use super::{compose, to_f32};

/// `norm(dropout(x) + residual)`, in one pass, in single precision.
///
/// # Shapes
/// - `x`, `residual` and output: `[rows, length, width]`
/// - `weight` and `bias`: `[width]`
pub fn dropout_residual_norm(
    x: Tensor<3>,
    residual: Tensor<3>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
    dropout: Option<Mask>,
) -> Tensor<3> {
    any_norm(x, Some(residual), weight, bias, epsilon, dropout)
}

/// Layer normalisation over the last axis, in single precision.
///
/// # Shapes
/// - `x` and output: `[rows, length, width]`
/// - `weight` and `bias`: `[width]`
pub fn norm(x: Tensor<3>, weight: Tensor<1>, bias: Option<Tensor<1>>, epsilon: f64) -> Tensor<3> {
    any_norm(x, None, weight, bias, epsilon, None)
}

fn any_norm(
    x: Tensor<3>,
    residual: Option<Tensor<3>>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
    dropout: Option<Mask>,
) -> Tensor<3> {
    let (x, residual) = (to_f32(x), residual.map(to_f32));
    #[cfg(feature = "flex")]
    {
        use super::operation::is_supported;
        let parameters_supported = is_supported(&weight) && bias.as_ref().is_none_or(is_supported);
        if parameters_supported && is_supported(&x) && residual.as_ref().is_none_or(is_supported) {
            return flex::norm(x, residual, weight, bias, epsilon, dropout);
        }
    }
    compose::norm(x, residual, weight, bias, epsilon, dropout)
}

/// Dropout alone.
///
/// # Shapes
/// - `x` and output: any, the same
pub fn dropout<const D: usize>(x: Tensor<D>, mask: Mask) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if super::operation::is_supported(&x) {
        return flex::dropout(x, mask);
    }
    compose::dropout(x, mask)
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::flex::FlexTensor;
    use burn::tensor::Tensor;
    use firebrand_kernels::norm::{self, Parameters};
    use firebrand_kernels::{Arch, Mask, dropout};

    use crate::operation::{Fused, contiguous, run, slice, tensor, writable};

    pub(super) fn norm(
        x: Tensor<3>,
        residual: Option<Tensor<3>>,
        weight: Tensor<1>,
        bias: Option<Tensor<1>>,
        epsilon: f64,
        dropout: Option<Mask>,
    ) -> Tensor<3> {
        let operation = Norm { residual: residual.is_some(), bias: bias.is_some(), epsilon: epsilon as f32, dropout };
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        match (residual, bias) {
            (None, None) => run(operation, [x, weight]),
            (None, Some(bias)) => run(operation, [x, weight, bias.into_dispatch()]),
            (Some(residual), None) => run(operation, [x, weight, residual.into_dispatch()]),
            (Some(residual), Some(bias)) => run(operation, [x, weight, residual.into_dispatch(), bias.into_dispatch()]),
        }
    }

    pub(super) fn dropout<const D: usize>(x: Tensor<D>, mask: Mask) -> Tensor<D> {
        run(Dropout(mask), [x.into_dispatch()])
    }

    #[derive(Debug, Clone)]
    struct Dropout(Mask);

    impl Fused<1> for Dropout {
        type Saved = ();

        fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
            let mut x = writable(x);
            dropout::apply(Arch::new(), x.storage_mut(), self.0);
            (x, ())
        }

        fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
            [Some(self.forward([gradient]).0)]
        }
    }

    /// Inputs: `x`, the weight and, optionally, the residual and the bias.
    #[derive(Debug, Clone)]
    struct Norm {
        residual: bool,
        bias: bool,
        epsilon: f32,
        dropout: Option<Mask>,
    }

    impl<const N: usize> Fused<N> for Norm {
        /// The normalised values, each row's reciprocal standard deviation, and the weight.
        type Saved = (FlexTensor, Vec<f32>, FlexTensor);

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let mut inputs = inputs.into_iter();
            let (Some(x), Some(weight)) = (inputs.next(), inputs.next().map(contiguous)) else {
                unreachable!("x and the weight are the first inputs")
            };
            let residual = if self.residual { inputs.next().map(contiguous) } else { None };
            let bias = if self.bias { inputs.next().map(contiguous) } else { None };
            let shape = x.shape();
            let mut x = writable(x);
            let values: &mut [f32] = x.storage_mut();
            let parameters =
                Parameters { weight: slice(&weight), bias: bias.as_ref().map(slice), epsilon: self.epsilon };
            let residual = residual.as_ref().map(slice);
            let (y, scales) = norm::forward(Arch::new(), values, residual, self.dropout, parameters);
            (tensor(y, shape), (x, scales, weight))
        }

        fn backward(&self, saved: Self::Saved, gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N] {
            let (normalised, scales, weight) = saved;
            let shape = gradient.shape();
            let mut sum = writable(gradient);
            let values: &mut [f32] = sum.storage_mut();
            let (normalised, weights) = (slice(&normalised), slice(&weight));
            let (parameters, dx) = norm::backward(Arch::new(), normalised, &scales, weights, values, self.dropout);
            let width = weights.len();
            let dx = dx.map_or_else(|| sum.clone(), |dx| tensor(dx, shape));
            let mut gradients = [
                Some(dx),
                Some(tensor(parameters.weight, [width])),
                self.residual.then_some(sum),
                self.bias.then(|| tensor(parameters.bias, [width])),
            ]
            .into_iter()
            .flatten();
            wanted.map(|_| gradients.next())
        }
    }
}
