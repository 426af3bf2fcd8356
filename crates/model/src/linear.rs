//! An affine map.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, module::linear};

use crate::{ModelError, ParameterSource};

/// `x W + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Takes `PATH.weight` (`[inputs, outputs]`) and, where there is one, `PATH.bias` (`[outputs]`) from the source.
    ///
    /// # Errors
    /// When the source lacks them or their shapes differ.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: source.take(&format!("{path}.weight"), [inputs, outputs])?,
            bias: bias.then(|| source.take(&format!("{path}.bias"), [outputs])).transpose()?,
        })
    }

    /// # Shapes
    /// - `x`: `[…, inputs]`
    /// - output: `[…, outputs]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
