//! BERT: learned positions from 0, segments, post-norm layers, a pooled first token.

use super::Translation;
use crate::checkpoint::{Rule, Rules};
use crate::{Activation, EmbeddingsConfig, EncoderConfig, HeadConfig, HubConfig, ModelError, NetworkConfig};

pub(super) const MODEL_TYPE: &str = "bert";
pub(super) const ARCHITECTURE: &str = "BertForSequenceClassification";

pub(super) const RULES: Rules = Rules {
    prefix: "bert.",
    table: &[
        Rule::tensor("encoder.embeddings.token", "bert.embeddings.word_embeddings.weight"),
        Rule::tensor("encoder.embeddings.position", "bert.embeddings.position_embeddings.weight"),
        Rule::tensor("encoder.embeddings.token_type", "bert.embeddings.token_type_embeddings.weight"),
        Rule::norm("encoder.embeddings.norm", "bert.embeddings.LayerNorm"),
        Rule::linear("encoder.layers.{}.attention.query", "bert.encoder.layer.{}.attention.self.query"),
        Rule::linear("encoder.layers.{}.attention.key", "bert.encoder.layer.{}.attention.self.key"),
        Rule::linear("encoder.layers.{}.attention.value", "bert.encoder.layer.{}.attention.self.value"),
        Rule::linear("encoder.layers.{}.attention.output", "bert.encoder.layer.{}.attention.output.dense"),
        Rule::norm("encoder.layers.{}.attention_norm", "bert.encoder.layer.{}.attention.output.LayerNorm"),
        Rule::linear("encoder.layers.{}.mlp.up", "bert.encoder.layer.{}.intermediate.dense"),
        Rule::linear("encoder.layers.{}.mlp.down", "bert.encoder.layer.{}.output.dense"),
        Rule::norm("encoder.layers.{}.mlp_norm", "bert.encoder.layer.{}.output.LayerNorm"),
        Rule::linear("head.dense", "bert.pooler.dense"),
        Rule::linear("head.output", "classifier"),
    ],
    unneeded: &["embeddings.position_ids", "cls.predictions.", "cls.seq_relationship."],
};

pub(super) fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let hidden = hub.count("hidden_size")?;
    let heads = hub.count("num_attention_heads")?;
    if !hidden.is_multiple_of(heads) {
        return Err(hub.problem(format!("`hidden_size` is {hidden}, not a multiple of `num_attention_heads` {heads}")));
    }
    let positions = hub.text_or("position_embedding_type", "absolute")?;
    if positions != "absolute" {
        return Err(
            hub.problem(format!("`position_embedding_type` is \"{positions}\": only \"absolute\" is supported"))
        );
    }
    let norm_epsilon = hub.number_or("layer_norm_eps", 1e-12)?;
    let hidden_dropout = hub.dropout_or("hidden_dropout_prob", 0.1)?;
    let max_length = hub.count("max_position_embeddings")?;
    let encoder = EncoderConfig {
        embeddings: EmbeddingsConfig {
            vocabulary: hub.count("vocab_size")?,
            positions: Some(max_length),
            position_offset: 0,
            types: Some(hub.count("type_vocab_size")?),
            size: hidden,
            norm_epsilon,
            dropout: hidden_dropout,
        },
        layers: hub.count("num_hidden_layers")?,
        hidden,
        heads,
        intermediate: hub.count("intermediate_size")?,
        activation: hub.activation_or("hidden_act", "gelu")?,
        norm_epsilon,
        hidden_dropout,
        attention_dropout: hub.dropout_or("attention_probs_dropout_prob", 0.1)?,
    };
    let head = HeadConfig {
        hidden,
        labels,
        activation: Activation::Tanh,
        dropout: hub.dropout_or("classifier_dropout", hidden_dropout)?,
    };
    Ok(Translation {
        network: NetworkConfig { encoder, head },
        pad_token_id: hub.id_or("pad_token_id", 0)?,
        max_length,
    })
}
