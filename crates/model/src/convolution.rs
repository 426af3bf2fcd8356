//! The convolution over neighbouring tokens that larger DeBERTa v2 models apply after the first layer.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, module::conv1d, ops::ConvOptions};
use firebrand_arch::{ConvolutionConfig, ModelError};
use firebrand_fused::to_f32;

use crate::activation::activate;
use crate::{Batch, Dropout, DropoutRng, LayerNorm, ParameterSource};

/// A convolution of the embeddings, added to the first layer's output, and a layer norm.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[hidden, hidden / groups, kernel]`.
    pub weight: Param<Tensor<3>>,
    /// `[hidden]`.
    pub bias: Param<Tensor<1>>,
    /// Layer norm of the sum.
    pub norm: LayerNorm,
    #[module(skip)]
    config: ConvolutionConfig,
}

impl Convolution {
    /// Takes `PATH.weight`, `.bias` and `.norm` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &ConvolutionConfig,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: source.take(&format!("{path}.weight"), [hidden, hidden / config.groups, config.kernel])?,
            bias: source.take(&format!("{path}.bias"), [hidden])?,
            norm: LayerNorm::new(source, &format!("{path}.norm"), hidden, config.norm)?,
            config: config.clone(),
        })
    }

    /// # Shapes
    /// - `embedded` (the layer's input), `x` (its output) and output: `[rows, length, hidden]`, or, packed,
    ///   `[1, tokens, hidden]`
    pub fn forward(
        &self,
        embedded: Tensor<3>,
        x: Tensor<3>,
        batch: &Batch,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        // Beyond the end of a row, the convolution must see zeros, padded or not.
        let embedded = match batch.token_mask() {
            Some(mask) if batch.packed().is_none() => embedded * mask,
            _ => batch.pad(embedded),
        };
        let options = ConvOptions::new([1], [(self.config.kernel - 1) / 2], [1], self.config.groups);
        let output = conv1d(embedded.swap_dims(1, 2), self.weight.val(), Some(self.bias.val()), options);
        let output = batch.unpad(output.swap_dims(1, 2));
        let dropout = Dropout { probability: self.config.dropout };
        let output = to_f32(activate(self.config.activation, dropout.forward(output, rng)));
        self.norm.forward(x + output)
    }
}
