//! Attention's softmax.

use burn::tensor::Tensor;

use super::{compose, single};
use crate::Mask;

/// `dropout(softmax(scores * scale + bias))` over the keys, in one pass, in single precision.
///
/// A query all of whose keys have a bias of minus infinity sees nothing: its probabilities are 0.
///
/// # Shapes
/// - `scores` and output: `[rows, heads, queries, keys]`
/// - `bias`: the same, with 1 for any of the first three where it is the same for all
pub fn softmax_dropout(scores: Tensor<4>, bias: Option<Tensor<4>>, scale: f64, dropout: Option<Mask>) -> Tensor<4> {
    let scores = single(scores);
    #[cfg(feature = "flex")]
    if super::operation::fits(&scores) && bias.as_ref().is_none_or(|bias| flex::fits(bias, scores.dims()[3])) {
        return flex::softmax_dropout(scores, bias, scale, dropout);
    }
    compose::softmax_dropout(scores, bias, scale, dropout)
}

#[cfg(feature = "flex")]
pub(crate) use flex::{as_bias, rows_in_order};

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::{Flex, TensorMetadata};
    use burn::tensor::Tensor;

    use crate::fused::operation::{self, Fused, output, run, slice, tensor, writable};
    use crate::softmax::{self, Bias};
    use crate::{Arch, Mask};

    pub(super) fn fits(bias: &Tensor<4>, keys: usize) -> bool {
        operation::fits(bias) && bias.dims()[3] == keys
    }

    pub(super) fn softmax_dropout(
        scores: Tensor<4>,
        bias: Option<Tensor<4>>,
        scale: f64,
        dropout: Option<Mask>,
    ) -> Tensor<4> {
        let operation = SoftmaxDropout { scale: scale as f32, dropout };
        match bias {
            None => run(operation, [scores.into_dispatch()]),
            Some(bias) => run(operation, [scores.into_dispatch(), bias.into_dispatch()]),
        }
    }

    /// Of scores and, if there is one, the bias.
    #[derive(Debug, Clone)]
    struct SoftmaxDropout {
        scale: f32,
        dropout: Option<Mask>,
    }

    impl<const N: usize> Fused<N> for SoftmaxDropout {
        /// The probabilities before dropout, and the shape of the bias.
        type Saved = (FlexTensor, [usize; 4]);

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let bias = inputs.get(1).cloned().map(rows_in_order);
            let bias_shape = bias.as_ref().map_or([1; 4], |bias| bias.shape().dims());
            let bias = bias.as_ref().map(as_bias);
            // The scores are not needed again: the probabilities take their place.
            let Some(scores) = inputs.into_iter().next() else { unreachable!("scores are the first input") };
            let shape: [usize; 4] = scores.shape().dims();
            let mut probabilities = writable(scores);
            let Some(mask) = self.dropout else {
                softmax::forward(Arch::new(), probabilities.storage_mut(), shape, self.scale, bias, None);
                return (probabilities.clone(), (probabilities, bias_shape));
            };
            let (dropped, ()) = output(shape.iter().product(), |dropped| {
                let dropout = Some((mask, dropped));
                softmax::forward(Arch::new(), probabilities.storage_mut(), shape, self.scale, bias, dropout);
            });
            (tensor(dropped, shape), (probabilities, bias_shape))
        }

        fn backward(&self, saved: Self::Saved, gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N] {
            let (probabilities, bias_shape) = saved;
            let mut scores = writable(gradient);
            let keys = probabilities.shape()[3];
            let (p, gradient) = (slice(&probabilities), scores.storage_mut());
            softmax::backward(Arch::new(), p, keys, self.scale, self.dropout, gradient);
            let bias = wanted.get(1).is_some_and(|&wanted| wanted).then(|| {
                let unscaled = Flex::float_div_scalar(scores.clone(), self.scale.into());
                let broadcast = (0..4).filter(|&axis| bias_shape[axis] == 1 && scores.shape()[axis] != 1);
                broadcast.fold(unscaled, Flex::float_sum_dim)
            });
            let mut gradients = [Some(scores), bias].into_iter();
            std::array::from_fn(|_| gradients.next().flatten())
        }
    }

    /// What the kernels take, of a bias with its [rows in order](rows_in_order).
    pub(crate) fn as_bias(bias: &FlexTensor) -> Bias<'_> {
        let (shape, strides) = (bias.shape(), bias.layout().strides());
        let stride = |axis: usize| if shape[axis] == 1 { 0 } else { strides[axis] as usize };
        Bias { values: &bias.storage()[bias.layout().start_offset()..], strides: [stride(0), stride(1), stride(2)] }
    }

    /// The bias with its keys side by side; the other axes may repeat, or lie in any order.
    pub(crate) fn rows_in_order(bias: FlexTensor) -> FlexTensor {
        let strides = bias.layout().strides();
        if strides[3] == 1 && strides.iter().all(|&stride| stride >= 0) { bias } else { bias.to_contiguous() }
    }
}
