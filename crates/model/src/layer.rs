//! A transformer layer.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_fused::to_f32;
use serde::{Deserialize, Serialize};

use crate::attention::LayerContext;
use crate::{
    Attention, AttentionConfig, Dropout, DropoutRng, LayerNorm, Mlp, MlpConfig, ModelError, NormConfig, ParameterSource,
};

/// Where a layer's norms are applied ([arXiv 2002.04745](https://arxiv.org/abs/2002.04745)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormPlacement {
    /// After each residual sum (post-norm).
    After,
    /// Before attention and before feed-forward (pre-norm).
    Before {
        /// Whether the first layer has one before its attention, beside the embeddings' own.
        in_first_attention: bool,
    },
}

/// The shape of an [`EncoderLayer`].
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

/// Attention and feed-forward, each with dropout, a residual sum and a norm.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Multi-head attention.
    pub attention: Attention,
    /// Norm of attention's input (pre-norm), or of the residual sum.
    pub attention_norm: Option<LayerNorm>,
    /// Feed-forward.
    pub mlp: Mlp,
    /// Norm of feed-forward's input (pre-norm), or of the residual sum.
    pub mlp_norm: LayerNorm,
    #[module(skip)]
    placement: NormPlacement,
    #[module(skip)]
    attention_output_dropout: Dropout,
    #[module(skip)]
    mlp_output_dropout: Dropout,
}

impl EncoderLayer {
    /// Takes `encoder.layers.INDEX.*` from the source.
    pub(crate) fn new(
        source: &mut dyn ParameterSource,
        index: usize,
        hidden: usize,
        config: &LayerConfig,
    ) -> Result<Self, ModelError> {
        let path = |name: &str| format!("encoder.layers.{index}.{name}");
        let attention = Attention::new(source, &path("attention"), hidden, &config.attention)?;
        let without = index == 0 && config.placement == (NormPlacement::Before { in_first_attention: false });
        let attention_norm =
            (!without).then(|| LayerNorm::new(source, &path("attention_norm"), hidden, config.norm)).transpose()?;
        Ok(Self {
            attention,
            attention_norm,
            mlp: Mlp::new(source, &path("mlp"), hidden, &config.mlp)?,
            mlp_norm: LayerNorm::new(source, &path("mlp_norm"), hidden, config.norm)?,
            placement: config.placement,
            attention_output_dropout: Dropout { probability: config.attention_output_dropout },
            mlp_output_dropout: Dropout { probability: config.mlp_output_dropout },
        })
    }

    /// The hidden states of all tokens, or of those that the context selects.
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        context: &LayerContext<'_>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        let (attention_dropout, mlp_dropout) = (self.attention_output_dropout, self.mlp_output_dropout);
        match self.placement {
            NormPlacement::After => {
                let attended = self.attention.forward(x.clone(), context, rng);
                let x = context.selected(x);
                let x = match &self.attention_norm {
                    Some(norm) => norm.of_sum(x, attended, attention_dropout, rng),
                    // Only pre-norm models lack one.
                    None => x + to_f32(attention_dropout.forward(attended, rng)),
                };
                let fed = self.mlp.forward(x.clone(), rng);
                self.mlp_norm.of_sum(x, fed, mlp_dropout, rng)
            }
            NormPlacement::Before { .. } => {
                let normed = match &self.attention_norm {
                    Some(norm) => norm.forward(x.clone()),
                    None => x.clone(),
                };
                let attended = self.attention.forward(normed, context, rng);
                let x = context.selected(x) + to_f32(attention_dropout.forward(attended, rng));
                let fed = self.mlp.forward(self.mlp_norm.forward(x.clone()), rng);
                x + to_f32(mlp_dropout.forward(fed, rng))
            }
        }
    }
}
