//! Layer normalisation.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_arch::{ModelError, NormConfig};
use firebrand_fused as fused;

use crate::linear::as_rows;
use crate::{Dropout, DropoutRng, ParameterSource};

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
    /// Takes `PATH.weight` and, with a bias, `PATH.bias` (`[size]`) from the source.
    ///
    /// # Errors
    /// When the source lacks them or their shapes differ.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        size: usize,
        config: NormConfig,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: source.take(&format!("{path}.weight"), [size])?,
            bias: config.bias.then(|| source.take(&format!("{path}.bias"), [size])).transpose()?,
            epsilon: config.epsilon,
        })
    }

    /// # Shapes
    /// - `x` and output: `[…, size]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let bias = self.bias.as_ref().map(Param::val);
        fused::norm(as_rows(x), self.weight.val(), bias, self.epsilon).reshape(shape)
    }

    /// The norm of `residual + dropout(x)`.
    ///
    /// # Shapes
    /// - `residual`, `x` and output: `[rows, length, size]`
    pub(crate) fn of_sum(
        &self,
        residual: Tensor<3>,
        x: Tensor<3>,
        dropout: Dropout,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        fused::dropout_residual_norm(x, residual, weight, bias, self.epsilon, dropout.mask(rng))
    }
}
