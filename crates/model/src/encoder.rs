//! A stack of attention and feed-forward layers.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{
    Activation, Attention, Batch, Dropout, DropoutRng, Embeddings, EmbeddingsConfig, LayerNorm, Mlp, ModelError,
    ParameterSource,
};

/// The shape of an [`Encoder`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// The tables below the layers.
    pub embeddings: EmbeddingsConfig,
    /// Number of layers.
    pub layers: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width between the two feed-forward maps.
    pub intermediate: usize,
    /// Between the two feed-forward maps.
    pub activation: Activation,
    /// Added to the variance in the norms.
    pub norm_epsilon: f64,
    /// Probability of dropout after attention and feed-forward.
    pub hidden_dropout: f64,
    /// Probability of dropout of attention weights.
    pub attention_dropout: f64,
}

/// Embeddings, then layers.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The tables.
    pub embeddings: Embeddings,
    /// From the lowest to the highest.
    pub layers: Vec<EncoderLayer>,
}

impl Encoder {
    /// Takes `encoder.*` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &EncoderConfig) -> Result<Self, ModelError> {
        let embeddings = Embeddings::new(source, &config.embeddings)?;
        // Not reserved in advance: a config may ask for any number of layers, and the first missing tensor ends it.
        let mut layers = Vec::new();
        for index in 0..config.layers {
            layers.push(EncoderLayer::new(source, &format!("encoder.layers.{index}"), config)?);
        }
        Ok(Self { embeddings, layers })
    }

    /// The hidden states after the embeddings and after each layer.
    ///
    /// # Shapes
    /// - each: `[rows, length, hidden]`
    pub fn hidden_states(&self, batch: &Batch) -> Vec<Tensor<3>> {
        let mut states = vec![self.embeddings.forward(batch, &mut None)];
        for layer in &self.layers {
            let below = states[states.len() - 1].clone();
            states.push(layer.forward(below, batch.attention_bias.as_ref(), &mut None));
        }
        states
    }

    /// The hidden states after the last layer; with dropout when `rng` is given.
    ///
    /// # Shapes
    /// - output: `[rows, length, hidden]`
    pub fn forward(&self, batch: &Batch, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let mut x = self.embeddings.forward(batch, rng);
        for layer in &self.layers {
            x = layer.forward(x, batch.attention_bias.as_ref(), rng);
        }
        x
    }
}

/// Attention and feed-forward, each followed by dropout, the residual sum and a norm ("post-norm").
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Tokens look at each other.
    pub attention: Attention,
    /// After attention and its residual sum.
    pub attention_norm: LayerNorm,
    /// Each token by itself.
    pub mlp: Mlp,
    /// After feed-forward and its residual sum.
    pub mlp_norm: LayerNorm,
    #[module(skip)]
    dropout: Dropout,
}

impl EncoderLayer {
    fn new(source: &mut dyn ParameterSource, path: &str, config: &EncoderConfig) -> Result<Self, ModelError> {
        let EncoderConfig { hidden, norm_epsilon, .. } = *config;
        Ok(Self {
            attention: Attention::new(
                source,
                &format!("{path}.attention"),
                hidden,
                config.heads,
                config.attention_dropout,
            )?,
            attention_norm: LayerNorm::new(source, &format!("{path}.attention_norm"), hidden, norm_epsilon)?,
            mlp: Mlp::new(source, &format!("{path}.mlp"), hidden, config.intermediate, config.activation)?,
            mlp_norm: LayerNorm::new(source, &format!("{path}.mlp_norm"), hidden, norm_epsilon)?,
            dropout: Dropout { probability: config.hidden_dropout },
        })
    }

    fn forward(&self, x: Tensor<3>, bias: Option<&Tensor<4>>, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let attended = self.attention.forward(x.clone(), bias, rng);
        let x = self.attention_norm.forward(x + self.dropout.forward(attended, rng));
        let fed = self.mlp.forward(x.clone());
        self.mlp_norm.forward(x + self.dropout.forward(fed, rng))
    }
}
