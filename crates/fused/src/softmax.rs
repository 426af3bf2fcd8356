//! Attention's softmax.

use burn::tensor::Tensor;
use firebrand_kernels::Mask;

use super::{compose, to_f32};

/// `dropout(softmax(scores * scale + bias))` over the keys, in one pass, in single precision.
///
/// A query all of whose keys have a bias of minus infinity sees nothing: its probabilities are 0.
///
/// # Shapes
/// - `scores` and output: `[rows, heads, queries, keys]`
/// - `bias`: the same, with 1 for any of the first three where it is the same for all
pub fn softmax_dropout(scores: Tensor<4>, bias: Option<Tensor<4>>, scale: f64, dropout: Option<Mask>) -> Tensor<4> {
    let scores = to_f32(scores);
    #[cfg(feature = "flex")]
    if super::operation::is_supported(&scores)
        && bias.as_ref().is_none_or(|bias| flex::is_supported(bias, scores.dims()[3]))
    {
        return flex::softmax_dropout(scores, bias, scale, dropout);
    }
    compose::softmax_dropout(scores, bias, scale, dropout)
}

#[cfg(feature = "flex")]
pub(crate) use flex::{as_bias, contiguous_rows};

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::{Flex, TensorMetadata};
    use burn::tensor::Tensor;
    use firebrand_kernels::softmax::{self, Bias};
    use firebrand_kernels::{Arch, Mask};

    use crate::operation::{self, Fused, run, slice, tensor, writable};

    pub(super) fn is_supported(bias: &Tensor<4>, keys: usize) -> bool {
        operation::is_supported(bias) && bias.dims()[3] == keys
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

    /// Inputs: the scores and, optionally, the bias.
    #[derive(Debug, Clone)]
    struct SoftmaxDropout {
        scale: f32,
        dropout: Option<Mask>,
    }

    impl<const N: usize> Fused<N> for SoftmaxDropout {
        /// The probabilities before dropout, and the shape of the bias.
        type Saved = (FlexTensor, [usize; 4]);

        fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
            let bias = inputs.get(1).cloned().map(contiguous_rows);
            let bias_shape = bias.as_ref().map_or([1; 4], |bias| bias.shape().dims());
            let bias = bias.as_ref().map(as_bias);
            // The scores are not needed again: the probabilities take their place.
            let Some(scores) = inputs.into_iter().next() else { unreachable!("scores are the first input") };
            let shape: [usize; 4] = scores.shape().dims();
            let mut probabilities = writable(scores);
            let values = probabilities.storage_mut();
            let dropped = softmax::forward(Arch::new(), values, shape, self.scale, bias, self.dropout);
            let output = dropped.map_or_else(|| probabilities.clone(), |dropped| tensor(dropped, shape));
            (output, (probabilities, bias_shape))
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

    /// The kernels' view of a bias whose [rows are contiguous](contiguous_rows).
    pub(crate) fn as_bias(bias: &FlexTensor) -> Bias<'_> {
        let (shape, strides) = (bias.shape(), bias.layout().strides());
        let stride = |axis: usize| if shape[axis] == 1 { 0 } else { strides[axis] as usize };
        Bias { values: &bias.storage()[bias.layout().start_offset()..], strides: [stride(0), stride(1), stride(2)] }
    }

    /// The bias with contiguous keys; the other axes may be broadcast, or in any order.
    pub(crate) fn contiguous_rows(bias: FlexTensor) -> FlexTensor {
        let strides = bias.layout().strides();
        if strides[3] == 1 && strides.iter().all(|&stride| stride >= 0) { bias } else { bias.to_contiguous() }
    }
}
