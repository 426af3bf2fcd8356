//! The parameters that a network of a given shape has.

use super::{
    AttentionConfig, ConvolutionConfig, EmbeddingsConfig, EncoderConfig, HeadConfig, LayerConfig, MlpConfig,
    NetworkConfig, NormConfig, Relative,
};

/// Path and shape of every parameter of a network. Weights of linear layers are `[inputs, outputs]`.
///
/// Paths look like `encoder.layers.0.attention.query.weight`. The order is that in which the network is built: embeddings,
/// layers from the lowest, what the layers share, the head.
pub fn parameters(config: &NetworkConfig) -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    list.encoder(&config.encoder);
    list.head(&config.head);
    list.0
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn tensor(&mut self, path: &str, shape: &[usize]) {
        self.0.push((path.to_owned(), shape.to_vec()));
    }

    fn linear(&mut self, path: &str, [inputs, outputs]: [usize; 2], bias: bool) {
        self.tensor(&format!("{path}.weight"), &[inputs, outputs]);
        if bias {
            self.tensor(&format!("{path}.bias"), &[outputs]);
        }
    }

    fn norm(&mut self, path: &str, size: usize, config: NormConfig) {
        self.tensor(&format!("{path}.weight"), &[size]);
        if config.bias {
            self.tensor(&format!("{path}.bias"), &[size]);
        }
    }

    fn encoder(&mut self, config: &EncoderConfig) {
        let hidden = config.hidden;
        self.embeddings(&config.embeddings);
        for index in 0..config.distinct_layers {
            self.layer(index, hidden, &config.layer);
        }
        let attention = &config.layer.attention;
        match &attention.relative {
            Relative::Bucketed { rows } => self.tensor("encoder.distance_bias", &[*rows, attention.heads]),
            Relative::Disentangled(relative) => {
                self.tensor("encoder.distances.weight", &[2 * relative.span(), hidden]);
                if let Some(norm) = relative.norm {
                    self.norm("encoder.distances.norm", hidden, norm);
                }
            }
            Relative::None | Relative::Rotary { .. } | Relative::TransformerXl { .. } => (),
        }
        if let Some(convolution) = &config.convolution {
            self.convolution("encoder.convolution", hidden, convolution);
        }
        if let Some(norm) = config.final_norm {
            self.norm("encoder.final_norm", hidden, norm);
        }
    }

    fn embeddings(&mut self, config: &EmbeddingsConfig) {
        let size = config.size;
        self.tensor("encoder.embeddings.token", &[config.vocabulary, size]);
        if let Some(positions) = config.positions {
            self.tensor("encoder.embeddings.position", &[positions.rows, size]);
        }
        if let Some(types) = config.types {
            self.tensor("encoder.embeddings.token_type", &[types, size]);
        }
        if config.mask_vector {
            self.tensor("encoder.embeddings.mask", &[1, 1, size]);
        }
        let hidden = config.output_size();
        if let Some(norm) = config.norm {
            let size = if norm.after_projection { hidden } else { size };
            self.norm("encoder.embeddings.norm", size, norm.norm);
        }
        if let Some(projection) = config.projection {
            self.linear("encoder.embeddings.projection", [size, hidden], projection.bias);
        }
    }

    fn layer(&mut self, index: usize, hidden: usize, config: &LayerConfig) {
        let path = |name: &str| format!("encoder.layers.{index}.{name}");
        self.attention(&path("attention"), hidden, &config.attention);
        if config.has_attention_norm(index) {
            self.norm(&path("attention_norm"), hidden, config.norm);
        }
        self.mlp(&path("mlp"), hidden, &config.mlp);
        self.norm(&path("mlp_norm"), hidden, config.norm);
    }

    fn attention(&mut self, path: &str, hidden: usize, config: &AttentionConfig) {
        for name in ["query", "key", "value", "output"] {
            self.linear(&format!("{path}.{name}"), [hidden, hidden], config.bias);
        }
        match &config.relative {
            Relative::None | Relative::Rotary { .. } | Relative::Bucketed { .. } => (),
            Relative::Disentangled(relative) => {
                let own = !relative.shared_maps;
                for (name, used) in
                    [("distance_key", relative.content_to_position), ("distance_query", relative.position_to_content)]
                {
                    if own && used {
                        self.linear(&format!("{path}.{name}"), [hidden, hidden], true);
                    }
                }
            }
            Relative::TransformerXl { .. } => {
                // Families reject a configuration without heads.
                let (heads, size) = (config.heads, hidden / config.heads.max(1));
                for name in ["content_bias", "distance_bias", "segment_bias"] {
                    self.tensor(&format!("{path}.{name}"), &[heads, size]);
                }
                self.linear(&format!("{path}.distance"), [hidden, hidden], false);
                self.tensor(&format!("{path}.segment"), &[2, heads, size]);
            }
        }
    }

    fn mlp(&mut self, path: &str, hidden: usize, config: &MlpConfig) {
        let inner = config.intermediate;
        self.linear(&format!("{path}.up"), [hidden, inner], config.bias);
        if config.gated {
            self.linear(&format!("{path}.gate"), [hidden, inner], config.bias);
        }
        self.linear(&format!("{path}.down"), [inner, hidden], config.bias);
    }

    fn convolution(&mut self, path: &str, hidden: usize, config: &ConvolutionConfig) {
        self.tensor(&format!("{path}.weight"), &[hidden, hidden / config.groups.max(1), config.kernel]);
        self.tensor(&format!("{path}.bias"), &[hidden]);
        self.norm(&format!("{path}.norm"), hidden, config.norm);
    }

    fn head(&mut self, config: &HeadConfig) {
        let hidden = config.hidden;
        if let Some(dense) = config.dense {
            self.linear("head.dense", [hidden, hidden], dense.bias);
            if let Some(norm) = dense.norm {
                self.norm("head.norm", hidden, norm);
            }
        }
        self.linear("head.output", [hidden, config.labels], config.output_bias);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{HubConfig, ModelConfig};

    fn listed(config: Value) -> Vec<(String, Vec<usize>)> {
        let Value::Object(values) = config else { panic!("an object") };
        parameters(&ModelConfig::new(&HubConfig::new(values), None).unwrap().network)
    }

    #[test]
    fn a_small_bert_has_these() {
        let config = json!({
            "model_type": "bert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 6, "max_position_embeddings": 5, "type_vocab_size": 2, "num_labels": 3,
        });
        let expected: [(&str, &[usize]); 25] = [
            ("encoder.embeddings.token", &[9, 4]),
            ("encoder.embeddings.position", &[5, 4]),
            ("encoder.embeddings.token_type", &[2, 4]),
            ("encoder.embeddings.norm.weight", &[4]),
            ("encoder.embeddings.norm.bias", &[4]),
            ("encoder.layers.0.attention.query.weight", &[4, 4]),
            ("encoder.layers.0.attention.query.bias", &[4]),
            ("encoder.layers.0.attention.key.weight", &[4, 4]),
            ("encoder.layers.0.attention.key.bias", &[4]),
            ("encoder.layers.0.attention.value.weight", &[4, 4]),
            ("encoder.layers.0.attention.value.bias", &[4]),
            ("encoder.layers.0.attention.output.weight", &[4, 4]),
            ("encoder.layers.0.attention.output.bias", &[4]),
            ("encoder.layers.0.attention_norm.weight", &[4]),
            ("encoder.layers.0.attention_norm.bias", &[4]),
            ("encoder.layers.0.mlp.up.weight", &[4, 6]),
            ("encoder.layers.0.mlp.up.bias", &[6]),
            ("encoder.layers.0.mlp.down.weight", &[6, 4]),
            ("encoder.layers.0.mlp.down.bias", &[4]),
            ("encoder.layers.0.mlp_norm.weight", &[4]),
            ("encoder.layers.0.mlp_norm.bias", &[4]),
            ("head.dense.weight", &[4, 4]),
            ("head.dense.bias", &[4]),
            ("head.output.weight", &[4, 3]),
            ("head.output.bias", &[3]),
        ];
        let expected: Vec<_> = expected.iter().map(|(path, shape)| ((*path).to_owned(), shape.to_vec())).collect();
        assert_eq!(listed(config), expected);
    }

    #[test]
    fn attention_with_distances_has_parameters_of_its_own() {
        let deberta = listed(json!({
            "model_type": "deberta-v2", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 6, "max_position_embeddings": 8, "type_vocab_size": 0,
            "relative_attention": true, "pos_att_type": ["p2c"], "position_buckets": 4, "norm_rel_ebd": "layer_norm",
            "conv_kernel_size": 3, "num_labels": 2,
        }));
        let shape = |path: &str| deberta.iter().find(|(other, _)| other == path).map(|(_, shape)| &shape[..]);
        assert_eq!(shape("encoder.distances.weight"), Some(&[8, 4][..]));
        assert_eq!(shape("encoder.distances.norm.bias"), Some(&[4][..]));
        assert_eq!(shape("encoder.layers.0.attention.distance_query.bias"), Some(&[4][..]));
        assert_eq!(shape("encoder.layers.0.attention.distance_key.weight"), None);
        assert_eq!(shape("encoder.convolution.weight"), Some(&[4, 4, 3][..]));
    }
}
