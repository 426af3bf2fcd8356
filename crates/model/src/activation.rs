//! Activation functions, with the names that hub configurations use.

use burn::tensor::{Tensor, activation};
use firebrand_fused as fused;
use firebrand_kernels::Gelu;
use serde::{Deserialize, Serialize};

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// The exact Gaussian error linear unit, `x Φ(x)` ([arXiv 1606.08415](https://arxiv.org/abs/1606.08415)).
    Gelu,
    /// Its tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x σ(x)` (also called swish).
    Silu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Every name in hub configurations, with its function.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("gelu", Self::Gelu),
        ("gelu_python", Self::Gelu),
        ("gelu_new", Self::GeluTanh),
        ("gelu_fast", Self::GeluTanh),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("relu", Self::Relu),
        ("silu", Self::Silu),
        ("swish", Self::Silu),
        ("tanh", Self::Tanh),
    ];

    /// The function with this name in hub configurations.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation)
    }

    /// Applies it element by element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x, Gelu::Exact),
            Self::GeluTanh => gelu(x, Gelu::Tanh),
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => activation::tanh(x),
        }
    }

    /// The kind of GELU, if it is one.
    pub(crate) fn gelu(self) -> Option<Gelu> {
        match self {
            Self::Gelu => Some(Gelu::Exact),
            Self::GeluTanh => Some(Gelu::Tanh),
            Self::Relu | Self::Silu | Self::Tanh => None,
        }
    }
}

fn gelu<const D: usize>(x: Tensor<D>, kind: Gelu) -> Tensor<D> {
    let (shape, count) = (x.dims(), x.shape().num_elements());
    fused::bias_gelu(x.reshape([1, 1, count]), None, kind).reshape(shape)
}
