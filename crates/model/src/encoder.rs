//! A stack of attention and feed-forward layers.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_arch::{AttentionConfig, DisentangledConfig, EncoderConfig, LayerConfig, ModelError, Relative};

use crate::attention::Context;
use crate::batch::Selection;
use crate::{Batch, Convolution, Dropout, DropoutRng, Embeddings, EncoderLayer, LayerNorm, ParameterSource};

/// Embeddings and a stack of transformer layers.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The embedding tables.
    pub embeddings: Embeddings,
    /// From the lowest to the highest.
    pub layers: Vec<EncoderLayer>,
    /// `[ranges, heads]`: the bias of each range of distances, added to the scores of all layers.
    pub distance_bias: Option<Param<Tensor<2>>>,
    /// A vector for each range of distances, shared by all layers.
    pub distances: Option<DistanceTable>,
    /// Applied after the first layer.
    pub convolution: Option<Convolution>,
    /// Layer norm after the last layer.
    pub final_norm: Option<LayerNorm>,
    #[module(skip)]
    config: EncoderConfig,
}

/// A vector for each range of distances.
#[derive(Module, Debug)]
pub struct DistanceTable {
    /// `[ranges, hidden]`.
    pub weight: Param<Tensor<2>>,
    /// Layer norm of the rows.
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

    /// The hidden states after the embeddings and after each layer, padded; the last ones after the final norm, if there is one.
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

    /// The hidden states after the last layer, of all tokens or of the selected ones only; with dropout if `rng` is given.
    ///
    /// # Shapes
    /// - output: `[rows, length, hidden]`, or, packed, `[1, tokens, hidden]`; of selected tokens `[rows, 1, hidden]`, or,
    ///   packed, `[1, rows, hidden]`
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        selection: Option<&Selection>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        self.run(batch, selection, rng, |_| ())
    }

    fn run(
        &self,
        batch: &Batch,
        selection: Option<&Selection>,
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
            // The last layer computes the output of the selected tokens only, from keys and values of all.
            let only = selection.filter(|_| index + 1 == layers && convolution.is_none());
            let embedded = convolution.map(|convolution| (convolution, x.clone()));
            // With fewer distinct layers, neighbours share parameters.
            let layer = &self.layers[index * distinct_layers / layers];
            x = layer.forward(x, &context.layer(attention, index).only(only), rng);
            narrowed |= only.is_some();
            if let Some((convolution, embedded)) = embedded {
                x = convolution.forward(embedded, x, batch, rng);
            }
            see(&x);
        }
        if let Some(selection) = selection.filter(|_| !narrowed) {
            x = selection.of(x);
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
