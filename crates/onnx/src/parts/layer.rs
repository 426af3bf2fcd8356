//! Transformer layers.

use firebrand_arch::{EncoderConfig, LayerConfig, MlpConfig, NormPlacement};
use firebrand_pipeline::Result;

use super::attention::Attention;
use super::linear::Linear;
use super::{Builder, Context, Inputs};
use crate::graph::Value;

impl Builder<'_> {
    /// All layers, and what follows them: from the first hidden states to the last.
    pub(crate) fn layers(
        &mut self,
        config: &EncoderConfig,
        inputs: &Inputs,
        context: &Context,
        embedded: Value,
    ) -> Result<Value> {
        let mut x = embedded.clone();
        for index in 0..config.layers {
            // With fewer distinct layers, neighbours share them.
            let distinct = index * config.distinct_layers / config.layers;
            x = self.layer(&config.layer, config.hidden, index, distinct, context, &x)?;
            if let (0, Some(convolution)) = (index, &config.convolution) {
                x = self.convolution(convolution, config.hidden, inputs, &embedded, &x)?;
            }
        }
        match config.final_norm {
            Some(norm) => {
                self.graph.enter("final_norm");
                self.norm("encoder.final_norm", config.hidden, norm, &x)
            }
            None => Ok(x),
        }
    }

    /// The layer of index `index`, with the parameters of index `distinct`.
    fn layer(
        &mut self,
        config: &LayerConfig,
        hidden: usize,
        index: usize,
        distinct: usize,
        context: &Context,
        x: &Value,
    ) -> Result<Value> {
        let path = |name: &str| format!("encoder.layers.{distinct}.{name}");
        let (attention_path, norm_path) = (path("attention"), path("attention_norm"));
        let attention = Attention { path: &attention_path, config: &config.attention, hidden };
        let has_norm = config.has_attention_norm(distinct);
        self.graph.enter(format_args!("layers.{index}.attention"));
        let before = matches!(config.placement, NormPlacement::Before { .. });
        let read = match before && has_norm {
            true => self.norm(&norm_path, hidden, config.norm, x)?,
            false => x.clone(),
        };
        let attended = self.attention(attention, index, context, &read)?;
        let mut x = self.graph.add(&attended, x);
        if !before && has_norm {
            x = self.norm(&norm_path, hidden, config.norm, &x)?;
        }

        self.graph.enter(format_args!("layers.{index}.mlp"));
        let read = match before {
            true => self.norm(&path("mlp_norm"), hidden, config.norm, &x)?,
            false => x.clone(),
        };
        let fed = self.mlp(&config.mlp, &path("mlp"), hidden, &read)?;
        let x = self.graph.add(&fed, &x);
        if before { Ok(x) } else { self.norm(&path("mlp_norm"), hidden, config.norm, &x) }
    }

    fn mlp(&mut self, config: &MlpConfig, path: &str, hidden: usize, x: &Value) -> Result<Value> {
        let (inner, bias) = (config.intermediate, config.bias);
        let up = Linear { path: &format!("{path}.up"), inputs: hidden, outputs: inner, bias };
        let rows = self.linear(up, x)?;
        let mut rows = self.activation(config.activation, &rows);
        if config.gated {
            let gate = self.linear(Linear { path: &format!("{path}.gate"), ..up }, x)?;
            rows = self.graph.mul(&rows, &gate);
        }
        self.linear(Linear { path: &format!("{path}.down"), inputs: inner, outputs: hidden, bias }, &rows)
    }
}
