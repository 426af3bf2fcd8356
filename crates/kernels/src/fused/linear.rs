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
mod flex {
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
            let (sizes, dy) = (weight.shape().dims(), slice(&gradient));
            let of = |input: usize| wanted.get(input).is_some_and(|&wanted| wanted);
            // One beside the other, so that no thread waits for the last part of the first.
            let (dx, (dw, db)) = rayon::join(
                || {
                    of(0).then(|| {
                        output(slice(x).len(), |dx| linear::backward_input(self.0, dy, slice(weight), sizes, false, dx))
                            .0
                    })
                },
                || {
                    let dw =
                        || output(slice(weight).len(), |dw| linear::backward_weight(self.0, slice(x), dy, sizes, dw)).0;
                    (of(1).then(dw), of(2).then(|| linear::backward_bias(Arch::new(), dy, sizes[1])))
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
}
