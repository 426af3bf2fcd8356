//! Bias and GELU.

use burn::tensor::Tensor;
use firebrand_kernels::Gelu;

use super::{compose, to_f32, to_half};

/// `gelu(x + bias)`, in one pass. Always computed in single precision: in half precision, little would be left of 1 + erf(x)
/// where erf(x) is close to -1. Only the result is [cast](to_half).
///
/// # Shapes
/// - `x` and output: `[rows, length, width]`
/// - `bias`: `[width]`
pub fn bias_gelu(x: Tensor<3>, bias: Option<Tensor<1>>, kind: Gelu) -> Tensor<3> {
    let x = to_f32(x);
    #[cfg(feature = "flex")]
    if super::operation::is_supported(&x) && bias.as_ref().is_none_or(super::operation::is_supported) {
        return to_half(flex::bias_gelu(x, bias, kind));
    }
    to_half(compose::bias_gelu(x, bias, kind))
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::flex::FlexTensor;
    use burn::tensor::Tensor;
    use firebrand_kernels::{Arch, Gelu, gelu};

    use crate::operation::{Fused, contiguous, run, slice, tensor, writable};

    pub(super) fn bias_gelu(x: Tensor<3>, bias: Option<Tensor<1>>, kind: Gelu) -> Tensor<3> {
        match bias {
            None => run(BiasGelu(kind), [x.into_dispatch()]),
            Some(bias) => run(BiasGelu(kind), [x.into_dispatch(), bias.into_dispatch()]),
        }
    }

    /// Inputs: `x` and, optionally, the bias.
    #[derive(Debug, Clone)]
    struct BiasGelu(Gelu);

    impl<const N: usize> Fused<N> for BiasGelu {
        type Saved = [FlexTensor; N];

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(contiguous);
            let (x, bias) = (&inputs[0], inputs.get(1).map(slice));
            let shape = x.shape();
            let y = gelu::forward(Arch::new(), self.0, slice(x), bias, shape[2]);
            (tensor(y, shape), inputs)
        }

        fn backward(&self, inputs: Self::Saved, gradient: FlexTensor, _: [bool; N]) -> [Option<FlexTensor>; N] {
            let (x, bias) = (&inputs[0], inputs.get(1).map(slice));
            let mut dx = writable(gradient);
            let width = x.shape()[2];
            let sums = gelu::backward(Arch::new(), self.0, slice(x), bias, width, dx.storage_mut());
            let mut gradients = [Some(dx), sums.map(|sums| tensor(sums, [width]))].into_iter();
            std::array::from_fn(|_| gradients.next().flatten())
        }
    }
}
