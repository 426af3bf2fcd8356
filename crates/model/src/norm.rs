//! Layer normalisation.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, module::layer_norm};

use crate::{ModelError, ParameterSource};

/// Layer normalisation over the last dimension ([arXiv 1607.06450](https://arxiv.org/abs/1607.06450)).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[size]`; `gamma` in old checkpoints.
    pub weight: Param<Tensor<1>>,
    /// `[size]`; `beta` in old checkpoints.
    pub bias: Option<Param<Tensor<1>>>,
    /// Added to the variance.
    #[module(skip)]
    pub epsilon: f64,
}

impl LayerNorm {
    /// Takes `PATH.weight` and `PATH.bias` (`[size]`) from the source.
    ///
    /// # Errors
    /// When the source lacks them or their shapes differ.
    pub fn new(source: &mut dyn ParameterSource, path: &str, size: usize, epsilon: f64) -> Result<Self, ModelError> {
        Ok(Self {
            weight: source.take(&format!("{path}.weight"), [size])?,
            bias: Some(source.take(&format!("{path}.bias"), [size])?),
            epsilon,
        })
    }

    /// # Shapes
    /// - `x` and output: `[…, size]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.weight.val(), self.bias.as_ref().map(Param::val), self.epsilon)
    }
}
