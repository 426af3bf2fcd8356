//! Linear layers.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_arch::{Activation, ModelError};
use firebrand_fused as fused;

use crate::ParameterSource;
use crate::activation::{activate, as_gelu};

/// A linear layer: `x W + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Takes `PATH.weight` (`[inputs, outputs]`) and, with a bias, `PATH.bias` (`[outputs]`) from the source.
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
        self.times_weight(x, self.bias.as_ref().map(Param::val))
    }

    /// [`forward`](Self::forward), then an activation function.
    pub(crate) fn activated<const D: usize>(&self, x: Tensor<D>, activation: Activation) -> Tensor<D> {
        let Some(gelu) = as_gelu(activation) else { return activate(activation, self.forward(x)) };
        // The bias is added in the same pass as the activation.
        let x = self.times_weight(x, None);
        let shape = x.dims();
        let bias = self.bias.as_ref().map(Param::val);
        fused::bias_gelu(as_rows(x), bias, gelu).reshape(shape)
    }

    /// Its parameters, in the form of the fused operations.
    pub(crate) fn as_projection(&self) -> fused::Projection {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    fn times_weight<const D: usize>(&self, x: Tensor<D>, bias: Option<Tensor<1>>) -> Tensor<D> {
        let mut shape = x.dims();
        let weight = self.weight.val();
        shape[D - 1] = weight.dims()[1];
        fused::linear(as_rows(x), weight, bias).reshape(shape)
    }
}

/// `[…, width]` → `[1, rows, width]`: all dimensions but the last are merged.
pub(crate) fn as_rows<const D: usize>(x: Tensor<D>) -> Tensor<3> {
    let shape = x.dims();
    let width = shape[D - 1];
    x.reshape([1, shape[..D - 1].iter().product(), width])
}
