//! Linear layers.

use burn::tensor::Tensor;

use super::to_half;

/// `x * weight + bias`, in one pass over the output and in the [current precision](firebrand_kernels::Precision::current).
///
/// # Shapes
/// - `x`: `[rows, length, inputs]`
/// - `weight`: `[inputs, outputs]`
/// - `bias`: `[outputs]`
/// - output: `[rows, length, outputs]`
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let (x, weight, bias) = (to_half(x), to_half(weight), bias.map(to_half));
    #[cfg(feature = "flex")]
    {
        use super::operation::is_supported;
        if is_supported(&x) && is_supported(&weight) && bias.as_ref().is_none_or(is_supported) {
            return flex::linear(x, weight, bias);
        }
    }
    burn::tensor::module::linear(x, weight, bias)
}

#[cfg(feature = "flex")]
pub(super) mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::flex::FlexTensor;
    use burn::tensor::Tensor;
    use firebrand_kernels::linear::{self, Weight};
    use firebrand_kernels::{Arch, Precision};

    use crate::operation::{Fused, contiguous, run, slice, tensor};

    pub(super) fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        let precision = Precision::current();
        match bias {
            None => run(Linear(precision), [x, weight]),
            Some(bias) => run(Linear(precision), [x, weight, bias.into_dispatch()]),
        }
    }

    /// Inputs: `x`, the weight and, optionally, the bias.
    #[derive(Debug, Clone)]
    struct Linear(Precision);

    impl<const N: usize> Fused<N> for Linear {
        type Saved = [FlexTensor; N];

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(contiguous);
            let (x, weight, bias) = (&inputs[0], &inputs[1], inputs.get(2).map(slice));
            let ([rows, length, _], [_, outputs]) = (x.shape().dims(), weight.shape().dims());
            let y = linear::forward(self.0, slice(x), as_weight(weight), bias);
            (tensor(y, [rows, length, outputs]), inputs)
        }

        fn backward(&self, inputs: Self::Saved, gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N] {
            let gradient = contiguous(gradient);
            let (x, weight) = (&inputs[0], &inputs[1]);
            let (weight, dy) = (as_weight(weight), slice(&gradient));
            let of = |input: usize| wanted.get(input).is_some_and(|&wanted| wanted);
            // In parallel, so that no thread waits for the last part of the first.
            let (dx, (dw, db)) = rayon::join(
                || of(0).then(|| linear::backward_input(self.0, &[(weight, dy)])),
                || {
                    let dw = of(1).then(|| linear::backward_weight(self.0, slice(x), dy, weight.shape));
                    (dw, of(2).then(|| linear::backward_bias(Arch::new(), dy, weight.shape[1])))
                },
            );
            let mut found = [dx, dw, db].into_iter();
            let mut inputs = inputs.iter();
            std::array::from_fn(|_| {
                let (values, input) = (found.next().flatten(), inputs.next());
                Some(tensor(values?, input?.shape()))
            })
        }
    }

    /// The kernels' view of a [contiguous](contiguous) weight.
    pub(crate) fn as_weight(weight: &FlexTensor) -> Weight<'_> {
        Weight { values: slice(weight), shape: weight.shape().dims() }
    }
}
