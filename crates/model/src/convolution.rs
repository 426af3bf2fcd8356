//! A convolution over neighbouring tokens beside the first layer, as DeBERTa-v2's larger models have it.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, module::conv1d, ops::ConvOptions};
use firebrand_kernels::fused::single;
use serde::{Deserialize, Serialize};

use crate::{Activation, Batch, Dropout, DropoutRng, LayerNorm, ModelError, NormConfig, ParameterSource};

/// The shape of a [`Convolution`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvolutionConfig {
    /// Tokens that it looks at; odd.
    pub kernel: usize,
    /// Parts of the width that do not mix; divides it.
    pub groups: usize,
    /// After it.
    pub activation: Activation,
    /// After the sum with the layer's answer.
    pub norm: NormConfig,
    /// Probability of dropout before the activation.
    pub dropout: f64,
}

/// A convolution of the embeddings, added to the first layer's answer and normalised.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[hidden, hidden / groups, kernel]`.
    pub weight: Param<Tensor<3>>,
    /// `[hidden]`.
    pub bias: Param<Tensor<1>>,
    /// After the sum.
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
    /// - `embedded` (the layer's input), `x` (its answer) and output: `[rows, length, hidden]`, or, packed,
    ///   `[1, tokens, hidden]`
    pub fn forward(
        &self,
        embedded: Tensor<3>,
        x: Tensor<3>,
        batch: &Batch,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        // Beyond a row's end it must meet zeros, whether padding is there or nothing.
        let embedded = match batch.token_mask() {
            Some(mask) if batch.packed().is_none() => embedded * mask,
            _ => batch.pad(embedded),
        };
        let options = ConvOptions::new([1], [(self.config.kernel - 1) / 2], [1], self.config.groups);
        let answer = conv1d(embedded.swap_dims(1, 2), self.weight.val(), Some(self.bias.val()), options);
        let answer = batch.unpad(answer.swap_dims(1, 2));
        let dropout = Dropout { probability: self.config.dropout };
        let answer = single(self.config.activation.forward(dropout.forward(answer, rng)));
        self.norm.forward(x + answer)
    }
}
