//! The shape of the encoder and of its layers.

use serde::{Deserialize, Serialize};

use super::{Activation, AttentionConfig, EmbeddingsConfig};

/// The shape of an encoder: a stack of attention and feed-forward layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// The embedding tables.
    pub embeddings: EmbeddingsConfig,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of layers with parameters of their own; fewer than `layers` if neighbours share them (ALBERT).
    pub distinct_layers: usize,
    /// Each layer's shape.
    pub layer: LayerConfig,
    /// Convolution applied after the first layer (DeBERTa v2), if the model has one.
    pub convolution: Option<ConvolutionConfig>,
    /// Layer norm after the last layer, if the model has one.
    pub final_norm: Option<NormConfig>,
    /// Dropout probability after the last layer.
    pub final_dropout: f64,
}

/// The shape of a transformer layer: attention and feed-forward, each with dropout, a residual sum and a norm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerConfig {
    /// Attention's shape.
    pub attention: AttentionConfig,
    /// The feed-forward part's shape.
    pub mlp: MlpConfig,
    /// The shape of both norms.
    pub norm: NormConfig,
    /// Where the norms are applied.
    pub placement: NormPlacement,
    /// Dropout probability of the attention output.
    pub attention_output_dropout: f64,
    /// Dropout probability of the feed-forward output.
    pub mlp_output_dropout: f64,
}

impl LayerConfig {
    /// Whether the layer of this index has a norm for its attention: all have one, except for the first layer of some pre-norm
    /// models.
    pub fn has_attention_norm(&self, index: usize) -> bool {
        index > 0 || self.placement != (NormPlacement::Before { in_first_attention: false })
    }
}

/// Where a layer's norms are applied ([arXiv 2002.04745](https://arxiv.org/abs/2002.04745)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormPlacement {
    /// After each residual sum (post-norm).
    After,
    /// Before attention and before feed-forward (pre-norm).
    Before {
        /// Whether the first layer has one before its attention, in addition to the embeddings' own.
        in_first_attention: bool,
    },
}

/// The shape of a layer's feed-forward part: two linear layers with an activation function between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MlpConfig {
    /// Width between the two linear layers.
    pub intermediate: usize,
    /// Activation function between the two linear layers.
    pub activation: Activation,
    /// Whether the activation's output is multiplied by that of a third linear layer ([arXiv 2002.05202](https://arxiv.org/abs/2002.05202)).
    pub gated: bool,
    /// Whether the linear layers have biases.
    pub bias: bool,
    /// Dropout probability before the second linear layer.
    pub dropout: f64,
}

/// The shape of a layer norm ([arXiv 1607.06450](https://arxiv.org/abs/1607.06450)), except for its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NormConfig {
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether it has a bias.
    pub bias: bool,
}

/// The shape of the convolution over neighbouring tokens that larger DeBERTa v2 models apply after the first layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvolutionConfig {
    /// Kernel size in tokens; odd.
    pub kernel: usize,
    /// Number of channel groups; divides the width.
    pub groups: usize,
    /// Activation function after the convolution.
    pub activation: Activation,
    /// Layer norm of the sum with the layer's output.
    pub norm: NormConfig,
    /// Dropout probability before the activation.
    pub dropout: f64,
}
