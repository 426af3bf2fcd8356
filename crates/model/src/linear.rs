//! An affine map.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, module::linear};
use firebrand_kernels::fused;

use crate::{Activation, ModelError, ParameterSource};

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

    /// An activation of [`forward`](Self::forward)'s answer.
    pub(crate) fn activated<const D: usize>(&self, x: Tensor<D>, activation: Activation) -> Tensor<D> {
        let Some(gelu) = activation.gelu() else { return activation.forward(self.forward(x)) };
        // The bias is added in the activation's pass.
        let x = linear(x, self.weight.val(), None);
        let shape = x.dims();
        let width = shape[D - 1];
        let rows = shape[..D - 1].iter().product();
        fused::bias_gelu(x.reshape([1, rows, width]), self.bias.as_ref().map(Param::val), gelu).reshape(shape)
    }
}
