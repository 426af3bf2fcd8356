//! One layer of an encoder.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_kernels::fused::single;
use serde::{Deserialize, Serialize};

use crate::attention::LayerContext;
use crate::{
    Attention, AttentionConfig, Dropout, DropoutRng, LayerNorm, Mlp, MlpConfig, ModelError, NormConfig, ParameterSource,
};

/// Where the norms of a layer stand ([arXiv 2002.04745](https://arxiv.org/abs/2002.04745)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormPlacement {
    /// After each residual sum.
    After,
    /// Before attention and before feed-forward.
    Before {
        /// Whether the lowest layer has one before its attention; without, the embeddings' norm serves.
        in_first_attention: bool,
    },
}

/// The shape of an [`EncoderLayer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerConfig {
    /// Tokens look at each other.
    pub attention: AttentionConfig,
    /// Each token by itself.
    pub mlp: MlpConfig,
    /// Both norms' shape.
    pub norm: NormConfig,
    /// Where the norms stand.
    pub placement: NormPlacement,
    /// Probability of dropout of attention's answer.
    pub attention_output_dropout: f64,
    /// Probability of dropout of feed-forward's answer.
    pub mlp_output_dropout: f64,
}

/// Attention and feed-forward, each with dropout, a residual sum and a norm.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Tokens look at each other.
    pub attention: Attention,
    /// Of attention's input, or of its sum with it.
    pub attention_norm: Option<LayerNorm>,
    /// Each token by itself.
    pub mlp: Mlp,
    /// Of feed-forward's input, or of its sum with it.
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

    /// The hidden states that the context wants, of all tokens or of one of each row.
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
                let x = context.chosen(x);
                let x = match &self.attention_norm {
                    Some(norm) => norm.of_sum(x, attended, attention_dropout, rng),
                    // Only where norms stand before can one be missing.
                    None => x + single(attention_dropout.forward(attended, rng)),
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
                let x = context.chosen(x) + single(attention_dropout.forward(attended, rng));
                let fed = self.mlp.forward(self.mlp_norm.forward(x.clone()), rng);
                x + single(mlp_dropout.forward(fed, rng))
            }
        }
    }
}
