//! A transformer layer.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_arch::{LayerConfig, ModelError, NormPlacement};
use firebrand_fused::to_f32;

use crate::attention::LayerContext;
use crate::{Attention, Dropout, DropoutRng, LayerNorm, Mlp, ParameterSource};

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
        let attention_norm = config.has_attention_norm(index);
        let attention_norm =
            attention_norm.then(|| LayerNorm::new(source, &path("attention_norm"), hidden, config.norm)).transpose()?;
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
