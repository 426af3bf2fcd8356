//! What most families share: BERT's architecture, its tensor names, and its keys in `config.json`.

use super::DropoutKeys;
use crate::checkpoint::Rule;
use crate::{
    Activation, AttentionConfig, DenseConfig, EmbeddingsConfig, EmbeddingsNorm, EncoderConfig, HeadConfig, HubConfig,
    LayerConfig, MlpConfig, ModelError, NormConfig, NormPlacement, Pooling, PositionsConfig, Relative,
};

/// A family's keys in `config.json` for what every encoder has.
pub(super) struct Keys {
    pub(super) hidden: &'static str,
    pub(super) layers: &'static str,
    pub(super) heads: &'static str,
    pub(super) intermediate: &'static str,
    pub(super) activation: &'static str,
    pub(super) norm_epsilon: &'static str,
    pub(super) dropout: &'static str,
    pub(super) attention_dropout: &'static str,
}

/// The keys of BERT and most families since.
pub(super) const BERT_KEYS: Keys = Keys {
    hidden: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    intermediate: "intermediate_size",
    activation: "hidden_act",
    norm_epsilon: "layer_norm_eps",
    dropout: "hidden_dropout_prob",
    attention_dropout: "attention_probs_dropout_prob",
};

/// The dropout keys of BERT and most families since.
pub(super) const BERT_DROPOUT_KEYS: DropoutKeys = DropoutKeys {
    hidden: &["hidden_dropout_prob"],
    attention: &["attention_probs_dropout_prob"],
    classifier: &["classifier_dropout"],
};

/// A family's defaults for keys that `config.json` leaves out.
pub(super) struct Defaults {
    pub(super) activation: &'static str,
    pub(super) norm_epsilon: f64,
    pub(super) dropout: f64,
}

/// The defaults of BERT.
pub(super) const BERT_DEFAULTS: Defaults = Defaults { activation: "gelu", norm_epsilon: 1e-12, dropout: 0.1 };

/// An encoder like BERT's, but without positions and token types: token embeddings with a norm, post-norm layers, biases
/// everywhere, no relative positions.
pub(super) fn encoder(hub: &HubConfig, keys: &Keys, defaults: &Defaults) -> Result<EncoderConfig, ModelError> {
    let hidden = hub.count(keys.hidden)?;
    let heads = hub.count(keys.heads)?;
    if !hidden.is_multiple_of(heads) {
        let Keys { hidden: width, heads: number, .. } = keys;
        return Err(hub.problem(format!("`{width}` is {hidden}, not a multiple of `{number}`, {heads}")));
    }
    let layers = hub.layers(keys.layers)?;
    let dropout = hub.dropout_or(keys.dropout, defaults.dropout)?;
    let norm = NormConfig { epsilon: hub.number_or(keys.norm_epsilon, defaults.norm_epsilon)?, bias: true };
    let intermediate = if hub.get(keys.intermediate).is_some() { hub.count(keys.intermediate)? } else { 4 * hidden };
    Ok(EncoderConfig {
        embeddings: EmbeddingsConfig {
            vocabulary: hub.count("vocab_size")?,
            positions: None,
            types: None,
            size: hidden,
            norm: Some(EmbeddingsNorm { norm, after_projection: false }),
            dropout,
            projection: None,
            mask_vector: false,
        },
        hidden,
        layers,
        distinct_layers: layers,
        layer: LayerConfig {
            attention: AttentionConfig {
                heads,
                bias: true,
                causal: false,
                relative: Relative::None,
                local: None,
                dropout: hub.dropout_or(keys.attention_dropout, defaults.dropout)?,
            },
            mlp: MlpConfig {
                intermediate,
                activation: hub.activation_or(keys.activation, defaults.activation)?,
                gated: false,
                bias: true,
                dropout: 0.0,
            },
            norm,
            placement: NormPlacement::After,
            attention_output_dropout: dropout,
            mlp_output_dropout: dropout,
        },
        convolution: None,
        final_norm: None,
        final_dropout: 0.0,
    })
}

/// Rejects an odd number where sines and cosines come in pairs.
pub(super) fn even(hub: &HubConfig, what: &str, number: usize) -> Result<(), ModelError> {
    if number.is_multiple_of(2) {
        Ok(())
    } else {
        Err(hub.problem(format!("{what} is {number}: expected an even number")))
    }
}

/// Learned positions from 0.
pub(super) fn positions(hub: &HubConfig, key: &str) -> Result<PositionsConfig, ModelError> {
    let kind = hub.text_or("position_embedding_type", "absolute")?;
    if kind != "absolute" {
        return Err(hub.problem(format!("`position_embedding_type` is \"{kind}\": only \"absolute\" is supported")));
    }
    Ok(PositionsConfig { rows: hub.count(key)?, first: 0, skip_padding: false })
}

/// Learned positions that start after the padding token's id, as in RoBERTa and its relatives.
pub(super) fn positions_after_padding(hub: &HubConfig, padding: u32) -> Result<PositionsConfig, ModelError> {
    let plain = positions(hub, "max_position_embeddings")?;
    let first = padding as usize + 1;
    if plain.rows <= first {
        return Err(hub.problem(format!(
            "`max_position_embeddings` is {}, and the first token's position is {first}, one after `pad_token_id`",
            plain.rows
        )));
    }
    Ok(PositionsConfig { first, skip_padding: true, ..plain })
}

/// A head over the first token's hidden state, with a dense layer.
pub(super) fn first_token_head(
    hidden: usize,
    labels: usize,
    activation: Activation,
    dense_dropout: f64,
    dropout: f64,
) -> HeadConfig {
    let dense = DenseConfig { dropout: dense_dropout, bias: true, activation: Some(activation), norm: None };
    HeadConfig { hidden, labels, pooling: Pooling::First, dense: Some(dense), dropout, output_bias: true }
}

/// The embeddings.
pub(super) const EMBEDDINGS: &[Rule] = &[
    Rule::tensor("encoder.embeddings.token", "embeddings.word_embeddings.weight"),
    Rule::tensor("encoder.embeddings.position", "embeddings.position_embeddings.weight"),
    Rule::tensor("encoder.embeddings.token_type", "embeddings.token_type_embeddings.weight"),
    Rule::norm("encoder.embeddings.norm", "embeddings.LayerNorm"),
];

/// The query, key and value layers, as BERT, RoBERTa and ELECTRA name them.
pub(super) const ATTENTION: &[Rule] = &[
    Rule::linear("encoder.layers.{}.attention.query", "encoder.layer.{}.attention.self.query"),
    Rule::linear("encoder.layers.{}.attention.key", "encoder.layer.{}.attention.self.key"),
    Rule::linear("encoder.layers.{}.attention.value", "encoder.layer.{}.attention.self.value"),
];

/// The attention output layer and its norm.
pub(super) const ATTENTION_OUTPUT: &[Rule] = &[
    Rule::linear("encoder.layers.{}.attention.output", "encoder.layer.{}.attention.output.dense"),
    Rule::norm("encoder.layers.{}.attention_norm", "encoder.layer.{}.attention.output.LayerNorm"),
];

/// The feed-forward layers and their norm.
pub(super) const FEED_FORWARD: &[Rule] = &[
    Rule::linear("encoder.layers.{}.mlp.up", "encoder.layer.{}.intermediate.dense"),
    Rule::linear("encoder.layers.{}.mlp.down", "encoder.layer.{}.output.dense"),
    Rule::norm("encoder.layers.{}.mlp_norm", "encoder.layer.{}.output.LayerNorm"),
];

/// A head of two layers, as RoBERTa, ELECTRA and MPNet name it.
pub(super) const DENSE_AND_OUT: &[Rule] =
    &[Rule::linear("head.dense", "classifier.dense"), Rule::linear("head.output", "classifier.out_proj")];
