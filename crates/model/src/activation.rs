//! Activation functions by the names that hub configurations use.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// The exact Gaussian error linear unit, `x Φ(x)` ([arXiv 1606.08415](https://arxiv.org/abs/1606.08415)).
    Gelu,
    /// Its approximation by tanh (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x σ(x)` (also called swish).
    Silu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Every name that hub configurations use, with what it means.
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

    /// The function of a name in a hub configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation)
    }

    /// Applies it to every element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluTanh => activation::gelu_approximate(x),
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => activation::tanh(x),
        }
    }
}

/// The exact GELU, with the exact derivative.
///
/// Burn's own `gelu` has it on `flex`; on other devices its derivative is that of the tanh approximation, some 1e-4 off, so
/// there the function is composed while gradients are recorded.
fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !x.is_autodiff() || is_flex(&x) {
        return activation::gelu(x);
    }
    let phi = x.clone().mul_scalar(std::f64::consts::FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
    x * phi
}

#[cfg(feature = "flex")]
fn is_flex<const D: usize>(x: &Tensor<D>) -> bool {
    x.device() == burn::tensor::Device::flex()
}

#[cfg(not(feature = "flex"))]
fn is_flex<const D: usize>(_: &Tensor<D>) -> bool {
    false
}
