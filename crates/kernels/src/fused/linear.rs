//! An affine map.

use burn::tensor::Tensor;

use super::halved;

/// `x * weight + bias`, in one pass over the output, in the [current precision](crate::Precision::current).
///
/// # Shapes
/// - `x`: `[rows, length, inputs]`
/// - `weight`: `[inputs, outputs]`
/// - `bias`: `[outputs]`
/// - output: `[rows, length, outputs]`
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let (x, weight, bias) = (halved(x), halved(weight), bias.map(halved));
    #[cfg(feature = "flex")]
    {
        use super::operation::fits;
        if fits(&x) && fits(&weight) && bias.as_ref().is_none_or(fits) {
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

    use crate::fused::operation::{Fused, in_order, output, run, slice, tensor};
    use crate::{Arch, Precision, linear};

    pub(super) fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<3> {
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        let precision = Precision::current();
        match bias {
            None => run(Linear(precision), [x, weight]),
            Some(bias) => run(Linear(precision), [x, weight, bias.into_dispatch()]),
        }
    }

    /// Of `x`, the weight and, if there is one, the bias.
    #[derive(Debug, Clone)]
    struct Linear(Precision);

    impl<const N: usize> Fused<N> for Linear {
        type Saved = [FlexTensor; N];

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let inputs = inputs.map(in_order);
            let (x, weight, bias) = (&inputs[0], &inputs[1], inputs.get(2).map(slice));
            let ([rows, length, _], sizes @ [_, outputs]) = (x.shape().dims(), weight.shape().dims());
            let (y, ()) =
                output(rows * length * outputs, |y| linear::forward(self.0, slice(x), slice(weight), bias, sizes, y));
            (tensor(y, [rows, length, outputs]), inputs)
        }

        fn backward(&self, inputs: Self::Saved, gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N] {
            let gradient = in_order(gradient);
            let (x, weight) = (&inputs[0], &inputs[1]);
            let (sizes, dy) = (weight.shape().dims::<2>(), slice(&gradient));
            let of = |input: usize| wanted.get(input).is_some_and(|&wanted| wanted);
            // One beside the other, so that no thread waits for the last part of the first.
            let (dx, (dw, db)) = rayon::join(
                || of(0).then(|| input_gradient(self.0, x, [(weight, dy)])),
                || {
                    let dw = of(1).then(|| weight_gradient(self.0, x, weight, dy));
                    (dw, of(2).then(|| linear::backward_bias(Arch::new(), dy, sizes[1])))
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

    /// The gradient of `x`, which several maps may have: their weights, and the gradients of their outputs.
    pub(in crate::fused) fn input_gradient<'a>(
        precision: Precision,
        x: &FlexTensor,
        maps: impl IntoIterator<Item = (&'a FlexTensor, &'a [f32])>,
    ) -> Vec<f32> {
        let write = |dx: &mut [f32]| {
            for (index, (weight, dy)) in maps.into_iter().enumerate() {
                linear::backward_input(precision, dy, slice(weight), weight.shape().dims(), index > 0, dx);
            }
        };
        output(slice(x).len(), write).0
    }

    /// The gradient of a map's weight.
    pub(in crate::fused) fn weight_gradient(
        precision: Precision,
        x: &FlexTensor,
        weight: &FlexTensor,
        dy: &[f32],
    ) -> Vec<f32> {
        let write = |dw: &mut [f32]| linear::backward_weight(precision, slice(x), dy, weight.shape().dims(), dw);
        output(slice(weight).len(), write).0
    }
}
