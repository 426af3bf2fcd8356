//! Activation functions.

use burn::tensor::{Tensor, activation};
use firebrand_arch::Activation;
use firebrand_fused as fused;
use firebrand_kernels::Gelu;

/// Applies an activation function element by element.
pub(crate) fn activate<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Gelu => gelu(x, Gelu::Exact),
        Activation::GeluTanh => gelu(x, Gelu::Tanh),
        Activation::Relu => activation::relu(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => activation::tanh(x),
    }
}

/// The kind of GELU, if the function is one.
pub(crate) fn as_gelu(function: Activation) -> Option<Gelu> {
    match function {
        Activation::Gelu => Some(Gelu::Exact),
        Activation::GeluTanh => Some(Gelu::Tanh),
        Activation::Relu | Activation::Silu | Activation::Tanh => None,
    }
}

fn gelu<const D: usize>(x: Tensor<D>, kind: Gelu) -> Tensor<D> {
    let (shape, count) = (x.dims(), x.shape().num_elements());
    fused::bias_gelu(x.reshape([1, 1, count]), None, kind).reshape(shape)
}
