//! What the benches of this crate and of `train` share: a model of MiniLM's shape, and rows for it.

use std::time::Duration;

use burn::tensor::Device;
use criterion::Criterion;
use firebrand_arch::HubConfig;
use firebrand_model::{Classifier, Tokens};
use serde_json::{Value, json};

/// Rows in a batch, tokens in a row: short reviews, and the usual maximum.
pub(crate) const SHAPES: [(usize, usize); 2] = [(16, 32), (16, 128)];

/// all-MiniLM-L6-v2 with random weights: 6 layers, hidden 384, 22.7 M parameters.
pub(crate) fn minilm(device: &Device) -> Classifier {
    let config = json!({
        "model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
        "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512, "type_vocab_size": 2,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "num_labels": 2,
    });
    let Value::Object(config) = config else { unreachable!("it is an object") };
    Classifier::untrained(HubConfig::new(config), 1, device).unwrap()
}

/// Rows of these lengths, ids spread over the vocabulary.
pub(crate) struct Rows {
    ids: Vec<Vec<u32>>,
    type_ids: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let ids: Vec<Vec<u32>> = lengths
            .into_iter()
            .enumerate()
            .map(|(row, length)| (0..length).map(|place| ((row * 7919 + place * 104_729) % 30_522) as u32).collect())
            .collect();
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        Self { ids, type_ids: vec![0; longest] }
    }

    pub(crate) fn tokens(&self) -> Vec<Tokens<'_>> {
        self.ids.iter().map(|ids| Tokens { ids, type_ids: &self.type_ids[..ids.len()] }).collect()
    }
}

/// Few samples: a forward pass takes tenths of a second, and its spread is small.
pub(crate) fn criterion() -> Criterion {
    Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5))
}
