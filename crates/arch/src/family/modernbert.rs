//! ModernBERT: rotary positions, gated feed-forward, pre-norm layers, and local attention in most layers.

use serde_json::Value;

use super::common::{Defaults, Keys, encoder, even};
use super::{DropoutKeys, FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{
    DenseConfig, HeadConfig, HubConfig, LocalAttention, ModelError, NormConfig, NormPlacement, Pooling, Relative,
};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("modernbert", "ModernBertForSequenceClassification")],
    rules: Rules {
        prefix: "model.",
        encoder: &[&[
            Rule::tensor("encoder.embeddings.token", "embeddings.tok_embeddings.weight"),
            Rule::norm("encoder.embeddings.norm", "embeddings.norm"),
            Rule::norm("encoder.layers.{}.attention_norm", "layers.{}.attn_norm"),
            Rule::linear("encoder.layers.{}.attention.query", "layers.{}.attn.Wqkv").part(0, 3),
            Rule::linear("encoder.layers.{}.attention.key", "layers.{}.attn.Wqkv").part(1, 3),
            Rule::linear("encoder.layers.{}.attention.value", "layers.{}.attn.Wqkv").part(2, 3),
            Rule::linear("encoder.layers.{}.attention.output", "layers.{}.attn.Wo"),
            Rule::norm("encoder.layers.{}.mlp_norm", "layers.{}.mlp_norm"),
            Rule::linear("encoder.layers.{}.mlp.up", "layers.{}.mlp.Wi").part(0, 2),
            Rule::linear("encoder.layers.{}.mlp.gate", "layers.{}.mlp.Wi").part(1, 2),
            Rule::linear("encoder.layers.{}.mlp.down", "layers.{}.mlp.Wo"),
            Rule::norm("encoder.final_norm", "final_norm"),
        ]],
        head: &[
            Rule::linear("head.dense", "head.dense"),
            Rule::norm("head.norm", "head.norm"),
            Rule::linear("head.output", "classifier"),
        ],
        other_head: &[],
        unneeded: &["decoder."],
    },
    dropout: DropoutKeys {
        hidden: &["embedding_dropout", "mlp_dropout"],
        attention: &["attention_dropout"],
        classifier: &["classifier_dropout"],
    },
    translate,
};

const KEYS: Keys = Keys {
    activation: "hidden_activation",
    norm_epsilon: "norm_eps",
    // There is a single attention dropout, of the weights and of the attention output.
    dropout: "attention_dropout",
    attention_dropout: "attention_dropout",
    ..super::common::BERT_KEYS
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let mut encoder = encoder(hub, &KEYS, &Defaults { activation: "gelu", norm_epsilon: 1e-5, dropout: 0.0 })?;
    even(hub, "the width of a head", encoder.hidden / encoder.layer.attention.heads)?;
    let norm = NormConfig { bias: hub.flag_or("norm_bias", false)?, ..encoder.layer.norm };
    encoder.embeddings.dropout = hub.dropout_or("embedding_dropout", 0.0)?;
    if let Some(embeddings) = &mut encoder.embeddings.norm {
        embeddings.norm = norm;
    }
    let layer = &mut encoder.layer;
    layer.norm = norm;
    layer.placement = NormPlacement::Before { in_first_attention: false };
    layer.mlp_output_dropout = 0.0;
    layer.mlp.gated = true;
    layer.mlp.bias = hub.flag_or("mlp_bias", false)?;
    layer.mlp.dropout = hub.dropout_or("mlp_dropout", 0.0)?;
    layer.attention.bias = hub.flag_or("attention_bias", false)?;
    layer.attention.relative =
        Relative::Rotary { theta: theta(hub, "full_attention", "global_rope_theta", 160_000.0)? };
    layer.attention.local = Some(LocalAttention {
        layers: local_layers(hub, encoder.layers)?,
        reach: hub.count_or("local_attention", 128)? / 2,
        theta: theta(hub, "sliding_attention", "local_rope_theta", 10_000.0)?,
    });
    encoder.final_norm = Some(norm);
    let dense = DenseConfig {
        dropout: 0.0,
        bias: hub.flag_or("classifier_bias", false)?,
        activation: Some(hub.activation_or("classifier_activation", "gelu")?),
        norm: Some(norm),
    };
    let pooling = match hub.text_or("classifier_pooling", "cls")? {
        "cls" => Pooling::First,
        "mean" => Pooling::Mean,
        other => return Err(hub.problem(format!("`classifier_pooling` is \"{other}\": expected \"cls\" or \"mean\""))),
    };
    let head = HeadConfig {
        hidden: encoder.hidden,
        labels,
        pooling,
        dense: Some(dense),
        dropout: hub.dropout_or("classifier_dropout", 0.0)?,
        output_bias: true,
    };
    // Rotary positions have no end: this is the length that it was trained for.
    let max_length = Some(hub.count("max_position_embeddings")?);
    Ok(Translation { max_length, ..Translation::new(encoder, head, hub.id_or("pad_token_id", 50_283)?) })
}

/// The base of the rotary wavelengths, from the keys of transformers 5 or the older ones.
fn theta(hub: &HubConfig, kind: &str, old: &str, default: f64) -> Result<f64, ModelError> {
    let Some(values) = hub.get("rope_parameters").and_then(|parameters| parameters.get(kind)) else {
        return hub.number_or(old, default);
    };
    let name = values.get("rope_type").and_then(Value::as_str).unwrap_or("default");
    match (name, values.get("rope_theta")) {
        ("default", None) => Ok(default),
        ("default", Some(theta)) if theta.as_f64().is_some_and(|theta| theta > 0.0) => {
            Ok(theta.as_f64().unwrap_or(default))
        }
        _ => Err(hub.problem(format!("`rope_parameters` has {values} for {kind}: only the default type is supported"))),
    }
}

/// Which layers have local attention: listed by name, or all but every n-th.
fn local_layers(hub: &HubConfig, layers: usize) -> Result<Vec<bool>, ModelError> {
    let Some(kinds) = hub.get("layer_types") else {
        let every = hub.count_or("global_attn_every_n_layers", 3)?;
        return Ok((0..layers).map(|layer| !layer.is_multiple_of(every)).collect());
    };
    let local = |kind: &Value| match kind.as_str() {
        Some("full_attention") => Some(false),
        Some("sliding_attention") => Some(true),
        _ => None,
    };
    let kinds: Option<Vec<bool>> = kinds.as_array().and_then(|kinds| kinds.iter().map(local).collect());
    kinds.filter(|kinds| kinds.len() == layers).ok_or_else(|| {
        hub.problem(format!(
            "`layer_types` must name \"full_attention\" or \"sliding_attention\" for each of {layers} layers"
        ))
    })
}
