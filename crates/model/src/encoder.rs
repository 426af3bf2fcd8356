//! A stack of attention and feed-forward layers.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::attention::Context;
use crate::batch::Chosen;
use crate::layer::{EncoderLayer, LayerConfig};
use crate::{
    AttentionConfig, Batch, Convolution, ConvolutionConfig, DisentangledConfig, Dropout, DropoutRng, Embeddings,
    EmbeddingsConfig, LayerNorm, ModelError, NormConfig, ParameterSource, Relative,
};

/// The shape of an [`Encoder`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// The tables below the layers.
    pub embeddings: EmbeddingsConfig,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of layers that a token passes.
    pub layers: usize,
    /// Layers with parameters of their own: `layers`, or fewer where neighbours share them.
    pub distinct_layers: usize,
    /// Each layer's shape.
    pub layer: LayerConfig,
    /// Beside the first layer; `None` where there is none.
    pub convolution: Option<ConvolutionConfig>,
    /// After the last layer; `None` where there is none.
    pub final_norm: Option<NormConfig>,
    /// Probability of dropout after the last layer.
    pub final_dropout: f64,
}

/// Embeddings, then layers.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The tables.
    pub embeddings: Embeddings,
    /// From the lowest to the highest.
    pub layers: Vec<EncoderLayer>,
    /// `[ranges, heads]`: what each range of distances adds to the scores of all layers.
    pub distance_bias: Option<Param<Tensor<2>>>,
    /// A vector for each range of distances, which all layers compare with contents.
    pub distances: Option<DistanceTable>,
    /// Beside the first layer.
    pub convolution: Option<Convolution>,
    /// After the last layer.
    pub final_norm: Option<LayerNorm>,
    #[module(skip)]
    config: EncoderConfig,
}

/// A vector for each range of distances.
#[derive(Module, Debug)]
pub struct DistanceTable {
    /// `[ranges, hidden]`.
    pub weight: Param<Tensor<2>>,
    /// Of the rows.
    pub norm: Option<LayerNorm>,
}

impl Encoder {
    /// Takes `encoder.*` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &EncoderConfig) -> Result<Self, ModelError> {
        let hidden = config.hidden;
        let embeddings = Embeddings::new(source, &config.embeddings)?;
        let mut layers = Vec::new();
        for index in 0..config.distinct_layers {
            layers.push(EncoderLayer::new(source, index, hidden, &config.layer)?);
        }
        let AttentionConfig { heads, ref relative, .. } = config.layer.attention;
        let distance_bias = match relative {
            Relative::Bucketed { rows } => Some(source.take("encoder.distance_bias", [*rows, heads])?),
            _ => None,
        };
        let distances = match relative {
            Relative::Disentangled(relative) => {
                Some(DistanceTable::new(source, "encoder.distances", hidden, relative)?)
            }
            _ => None,
        };
        let convolution = config.convolution.as_ref();
        let convolution =
            convolution.map(|convolution| Convolution::new(source, "encoder.convolution", hidden, convolution));
        let convolution = convolution.transpose()?;
        let final_norm = config.final_norm.map(|norm| LayerNorm::new(source, "encoder.final_norm", hidden, norm));
        Ok(Self {
            embeddings,
            layers,
            distance_bias,
            distances,
            convolution,
            final_norm: final_norm.transpose()?,
            config: config.clone(),
        })
    }

    /// Its shape.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The hidden states after the embeddings and after each layer; the last ones after the final norm, if there is one. Texts
    /// are padded.
    ///
    /// # Shapes
    /// - each: `[rows, length, hidden]`
    pub fn hidden_states(&self, batch: &Batch) -> Vec<Tensor<3>> {
        let mut states = Vec::new();
        let last = batch.pad(self.run(batch, None, &mut None, |state| states.push(batch.pad(state.clone()))));
        states.pop();
        states.push(last);
        states
    }

    /// The hidden states after the last layer, of all tokens or of the chosen ones alone; with dropout when `rng` is given.
    ///
    /// # Shapes
    /// - output: `[rows, length, hidden]`, or, packed, `[1, tokens, hidden]`; of chosen tokens `[rows, 1, hidden]`, or,
    ///   packed, `[1, rows, hidden]`
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        chosen: Option<&Chosen>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        self.run(batch, chosen, rng, |_| ())
    }

    fn run(
        &self,
        batch: &Batch,
        chosen: Option<&Chosen>,
        rng: &mut Option<&mut DropoutRng>,
        mut see: impl FnMut(&Tensor<3>),
    ) -> Tensor<3> {
        let EncoderConfig { layers, distinct_layers, layer: LayerConfig { ref attention, .. }, .. } = self.config;
        let table = self.distances.as_ref().map(DistanceTable::rows);
        let table = table.or_else(|| self.distance_bias.as_ref().map(Param::val));
        let mut x = self.embeddings.forward(batch, rng);
        see(&x);
        let context = Context::new(attention, self.config.hidden, table, batch, rng);
        let mut narrowed = false;
        for index in 0..layers {
            let convolution = self.convolution.as_ref().filter(|_| index == 0);
            // Of the last layer's answers, no other is read; its keys and values are those of all tokens.
            let only = chosen.filter(|_| index + 1 == layers && convolution.is_none());
            let below = convolution.map(|convolution| (convolution, x.clone()));
            // Neighbours share parameters where there are fewer of them than layers.
            let layer = &self.layers[index * distinct_layers / layers];
            x = layer.forward(x, &context.layer(attention, index).only(only), rng);
            narrowed |= only.is_some();
            if let Some((convolution, below)) = below {
                x = convolution.forward(below, x, batch, rng);
            }
            see(&x);
        }
        if let Some(chosen) = chosen.filter(|_| !narrowed) {
            x = chosen.of(x);
        }
        if let Some(norm) = &self.final_norm {
            x = norm.forward(x);
        }
        Dropout { probability: self.config.final_dropout }.forward(x, rng)
    }
}

impl DistanceTable {
    fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &DisentangledConfig,
    ) -> Result<Self, ModelError> {
        let weight = source.take(&format!("{path}.weight"), [2 * config.span(), hidden])?;
        let norm = config.norm.map(|norm| LayerNorm::new(source, &format!("{path}.norm"), hidden, norm));
        Ok(Self { weight, norm: norm.transpose()? })
    }

    fn rows(&self) -> Tensor<2> {
        match &self.norm {
            Some(norm) => norm.forward(self.weight.val()),
            None => self.weight.val(),
        }
    }
}
