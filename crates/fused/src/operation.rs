//! Fused operations as nodes of Burn's autodiff graph.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{BalancedCheckpointing, CheckpointStrategy, NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
    GradientCheckpointingStrategy, TensorMetadata,
};
use burn::tensor::{DType, Shape, Tensor, TensorData};

/// A function of `N` tensors on `flex`, with its backward pass.
pub(crate) trait Fused<const N: usize>: Clone + Debug + Send + 'static {
    /// Values kept by the forward pass for the backward one.
    type Saved: Clone + Debug + Send + 'static;

    /// The output, and the values to keep.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// The gradients of the inputs. Those not wanted may be `None`.
    fn backward(&self, saved: Self::Saved, gradient: FlexTensor, wanted: [bool; N]) -> [Option<FlexTensor>; N];
}

/// Whether the fused operations support a tensor: single precision on `flex`.
pub(crate) fn is_supported<const D: usize>(tensor: &Tensor<D>) -> bool {
    let kind = match tensor.clone().into_dispatch().kind {
        DispatchTensorKind::Autodiff(inner) => *inner,
        kind => kind,
    };
    let on_flex = matches!(kind, DispatchTensorKind::Flex(BackendTensor::Float(_) | BackendTensor::Autodiff(_)));
    on_flex && tensor.dtype() == DType::F32
}

/// Runs an operation on tensors that are all [supported](is_supported).
pub(crate) fn run<const N: usize, const D: usize, F: Fused<N>>(operation: F, inputs: [DispatchTensor; N]) -> Tensor<D> {
    let context = inputs.iter().fold(DispatchAutodiffContext::Disabled, |context, input| context.merge(input.autodiff));
    let kind = match context {
        DispatchAutodiffContext::Disabled => {
            let inputs = inputs.map(|input| match input.kind {
                DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
                kind => unreachable!("callers check `is_supported`: {kind:?}"),
            });
            DispatchTensorKind::Flex(BackendTensor::Float(operation.forward(inputs).0))
        }
        DispatchAutodiffContext::Enabled(strategy) => {
            let output = match strategy {
                GradientCheckpointingStrategy::Disabled => tracked::<N, F, NoCheckpointing>(operation, inputs),
                GradientCheckpointingStrategy::Balanced => tracked::<N, F, BalancedCheckpointing>(operation, inputs),
            };
            DispatchTensorKind::Autodiff(Box::new(DispatchTensorKind::Flex(BackendTensor::Autodiff(output))))
        }
    };
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: context })
}

fn tracked<const N: usize, F: Fused<N>, C: CheckpointStrategy>(
    operation: F,
    inputs: [DispatchTensor; N],
) -> FloatTensor<Autodiff<Flex>> {
    let inputs = inputs.map(|input| match input.kind {
        DispatchTensorKind::Autodiff(inner) => match *inner {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => tensor,
            kind => unreachable!("callers check `is_supported`: {kind:?}"),
        },
        // A tensor outside the graph is a constant.
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => Autodiff::<Flex>::from_inner(tensor),
        kind => unreachable!("callers check `is_supported`: {kind:?}"),
    });
    let nodes = inputs.each_ref().map(|input| input.node());
    let inputs = inputs.map(|input| input.into_primitive());
    match Step(operation.clone()).prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = operation.forward(inputs);
            prepared.finish(saved, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(operation.forward(inputs).0),
    }
}

#[derive(Debug)]
struct Step<F>(F);

impl<const N: usize, F: Fused<N>> Backward<Flex, N> for Step<F> {
    type State = F::Saved;

    fn backward(self, ops: Ops<F::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(ops.state, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// A tensor with these elements, without a copy.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The tensor with its elements contiguous, copied only where they are not.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The elements of a tensor that is [`contiguous`].
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_default()
}

/// The tensor, to be written to: itself where it is the only owner of its whole storage, a copy otherwise.
pub(crate) fn writable(values: FlexTensor) -> FlexTensor {
    let whole = values.is_contiguous() && values.storage::<f32>().len() == values.layout().num_elements();
    if whole && values.is_unique() {
        return values;
    }
    let values = contiguous(values);
    tensor(slice(&values).to_vec(), values.shape())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn single_precision_on_flex_is_supported() {
        let on = |device: &Device| Tensor::<1>::zeros([3], device);
        for device in [Device::flex(), Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()] {
            assert!(is_supported(&on(&device)));
            assert!(!is_supported(&on(&device).cast(DType::F16)));
        }
    }

    #[cfg(feature = "ndarray")]
    #[test]
    #[expect(deprecated, reason = "ndarray stays a choice")]
    fn ndarray_tensors_are_not_supported() {
        let on = |device: &Device| Tensor::<1>::zeros([3], device);
        assert!(!is_supported(&on(&Device::ndarray())) && !is_supported(&on(&Device::ndarray().autodiff())));
    }

    #[test]
    fn storage_with_one_owner_is_written_in_place() {
        let start = |tensor: &FlexTensor| slice(tensor).as_ptr();
        let alone = tensor(vec![1.0; 12], [3, 4]);
        let place = start(&alone);
        assert_eq!(start(&writable(alone)), place);
        let shared = tensor(vec![1.0; 12], [3, 4]);
        assert_ne!(start(&writable(shared.clone())), start(&shared));
        let part = tensor(vec![1.0; 12], [3, 4]).narrow(0, 1, 2);
        assert_eq!(writable(part).storage::<f32>().len(), 8);
    }
}
