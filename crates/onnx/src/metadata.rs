//! What a program needs to know of a model, in the file itself.

use firebrand_arch::{ModelConfig, Pooling};
use firebrand_pipeline::{Error, Result};
use serde_json::{Map, Value, json};

use crate::Precision;
use crate::proto::StringStringEntryProto;

/// The entries of `metadata_props`; `id2label` and `label2id` are JSON, as in `config.json`.
pub(crate) fn metadata(config: &ModelConfig, precision: Precision) -> Result<Vec<StringStringEntryProto>> {
    let labels = config.labels.iter().enumerate();
    let id2label: Map<String, Value> = labels.clone().map(|(index, label)| (index.to_string(), json!(label))).collect();
    let label2id: Map<String, Value> = labels.map(|(index, label)| (label.clone(), json!(index))).collect();
    let pooling = match config.network.head.pooling {
        Pooling::First => "first",
        Pooling::Last => "last",
        Pooling::Mean => "mean",
    };
    let problem = serde_json::to_value(config.problem)
        .map_err(|error| Error::other("cannot describe the model").caused_by(&error))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut entries = vec![
        ("family", json!(config.family.name())),
        ("model_type", json!(config.model_type)),
        ("architecture", json!(config.architecture)),
        ("pooling", json!(pooling)),
        ("problem_type", problem),
        ("id2label", Value::Object(id2label)),
        ("label2id", Value::Object(label2id)),
        ("pad_token_id", json!(config.pad_token_id)),
        ("precision", json!(precision.to_string())),
    ];
    entries.extend(config.max_length.map(|length| ("max_length", json!(length))));
    let entry = |(key, value): (&str, Value)| StringStringEntryProto { key: key.to_owned(), value: text(value) };
    Ok(entries.into_iter().map(entry).collect())
}
