//! `config.json` as the hub has it, and what this project reads from it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::checkpoint::Rules;
use crate::checkpoint::read_json;
use crate::{Activation, Family, ModelError, NetworkConfig};

/// A `config.json`: kept whole, so that what this project does not know survives a round trip.
#[derive(Debug, Clone, PartialEq)]
pub struct HubConfig {
    path: PathBuf,
    values: Map<String, Value>,
}

/// What the labels of a row mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemType {
    /// One label per row: softmax.
    SingleLabelClassification,
    /// Any number of labels per row: a sigmoid each.
    MultiLabelClassification,
}

/// What is known of a model before its tensors are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The architecture's family.
    pub family: Family,
    /// The family's name in `config.json`: some go by several.
    pub model_type: &'static str,
    /// The name of its classifier in transformers.
    pub architecture: &'static str,
    /// Whether the mean of the hidden states is classified, where the family has another way.
    pub mean_pooling: bool,
    /// The network's shape.
    pub network: NetworkConfig,
    /// The labels' names, by index.
    pub labels: Vec<String>,
    /// What the labels mean.
    pub problem: ProblemType,
    /// The token that fills rows up.
    pub pad_token_id: u32,
    /// The longest row, in tokens; `None` where there is no end.
    pub max_length: Option<usize>,
    /// Standard deviation of a new head's weights.
    pub initializer_range: f64,
}

impl HubConfig {
    /// The largest count that is believed: a hostile file cannot make later code loop or allocate without end.
    const LARGEST: u64 = 10_000_000;

    /// The most labels that are given names here: a short file must not fill the memory.
    const MOST_NAMELESS: usize = 10_000;

    /// Far more layers than any model has.
    const MOST_LAYERS: usize = 1000;

    /// A configuration that lies in no file: tests, benches, training from nothing.
    pub fn new(values: Map<String, Value>) -> Self {
        Self { path: PathBuf::from("config.json"), values }
    }

    /// Reads `DIRECTORY/config.json`.
    ///
    /// # Errors
    /// When it is missing or is not a JSON object.
    pub fn read(directory: &Path) -> Result<Self, ModelError> {
        let path = directory.join("config.json");
        match read_json(&path)? {
            Value::Object(values) => Ok(Self { path, values }),
            other => {
                Err(ModelError::Config { path, problem: format!("expected a JSON object, found {}", kind(&other)) })
            }
        }
    }

    /// Writes `DIRECTORY/config.json`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, directory: &Path) -> Result<(), ModelError> {
        let path = directory.join("config.json");
        // A map of JSON values always has a text.
        let text = format!("{:#}\n", Value::Object(self.values.clone()));
        fs::write(&path, text).map_err(ModelError::io("write", &path))
    }

    /// An error about this file.
    pub(crate) fn problem(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Config { path: self.path.clone(), problem: problem.into() }
    }

    /// A value that is there and not null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// Sets a value.
    pub fn set(&mut self, key: &str, value: Value) {
        self.values.insert(key.to_owned(), value);
    }

    /// A positive count that must be there.
    pub(crate) fn count(&self, key: &str) -> Result<usize, ModelError> {
        let value = self.get(key).ok_or_else(|| self.problem(format!("`{key}` is missing")))?;
        match value.as_u64() {
            Some(count @ 1..=Self::LARGEST) => Ok(count as usize),
            _ => Err(self.problem(format!("`{key}` is {value}: expected a whole number from 1 to {}", Self::LARGEST))),
        }
    }

    /// A positive count, or a default.
    pub(crate) fn count_or(&self, key: &str, default: usize) -> Result<usize, ModelError> {
        if self.get(key).is_some() { self.count(key) } else { Ok(default) }
    }

    /// A positive count; `None` where it is 0 or not there.
    pub(crate) fn count_or_none(&self, key: &str) -> Result<Option<usize>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) if value.as_u64() == Some(0) => Ok(None),
            Some(_) => self.count(key).map(Some),
        }
    }

    /// A number of layers.
    pub(crate) fn layers(&self, key: &str) -> Result<usize, ModelError> {
        match self.count(key)? {
            layers @ 1..=Self::MOST_LAYERS => Ok(layers),
            layers => Err(self.problem(format!("`{key}` is {layers}: at most {} are believed", Self::MOST_LAYERS))),
        }
    }

    /// True or false, or a default.
    pub(crate) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.problem(format!("`{key}` is {value}: expected true or false")))
    }

    /// A token id, or a default.
    pub(crate) fn id_or(&self, key: &str, default: u32) -> Result<u32, ModelError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| self.problem(format!("`{key}` is {value}: expected a token id")))
    }

    /// A number that is not negative, or a default.
    pub(crate) fn number_or(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value
            .as_f64()
            .filter(|number| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| self.problem(format!("`{key}` is {value}: expected a number of at least 0")))
    }

    /// A probability below 1, or a default.
    pub(crate) fn dropout_or(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        let probability = self.number_or(key, default)?;
        if probability < 1.0 {
            Ok(probability)
        } else {
            Err(self.problem(format!("`{key}` is {probability}: expected a probability below 1")))
        }
    }

    /// A text, or a default.
    pub(crate) fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str, ModelError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_str().ok_or_else(|| self.problem(format!("`{key}` is {value}: expected a text")))
    }

    /// The activation function of a key.
    pub(crate) fn activation_or(&self, key: &str, default: &str) -> Result<Activation, ModelError> {
        let name = self.text_or(key, default)?;
        Activation::from_name(name).ok_or_else(|| {
            let known: Vec<_> = Activation::NAMES.iter().map(|(name, _)| *name).collect();
            self.problem(format!("`{key}` is \"{name}\": the known activations are {}", known.join(", ")))
        })
    }

    /// The labels' names by index: `id2label`, or `LABEL_0`, `LABEL_1`, … as transformers has it.
    pub(crate) fn labels(&self) -> Result<Vec<String>, ModelError> {
        let Some(value) = self.get("id2label") else {
            let count = self.count_or("num_labels", 2)?;
            if count > Self::MOST_NAMELESS {
                let most = Self::MOST_NAMELESS;
                return Err(
                    self.problem(format!("`num_labels` is {count}: more than {most} need names, in `id2label`"))
                );
            }
            return Ok((0..count).map(|index| format!("LABEL_{index}")).collect());
        };
        let map = value.as_object().ok_or_else(|| {
            self.problem(format!("`id2label` is {}: expected an object such as {{\"0\": \"ham\"}}", kind(value)))
        })?;
        let label = |index: usize| {
            map.get(&index.to_string()).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
                self.problem(format!("`id2label` has {} entries, but none for \"{index}\" that is a text", map.len()))
            })
        };
        (0..map.len()).map(label).collect()
    }

    /// Sets everything that says which labels there are and that this is a classifier of this family.
    pub(crate) fn describe_classifier(&mut self, config: &ModelConfig) {
        let ModelConfig { architecture, labels, problem, pad_token_id, .. } = config;
        let by_index: Map<_, _> =
            labels.iter().enumerate().map(|(index, label)| (index.to_string(), json!(label))).collect();
        let by_label: Map<_, _> =
            labels.iter().enumerate().map(|(index, label)| (label.clone(), json!(index))).collect();
        self.set("architectures", json!([architecture]));
        self.set("id2label", Value::Object(by_index));
        self.set("label2id", Value::Object(by_label));
        self.set("problem_type", json!(problem));
        if self.get("pad_token_id").is_none() {
            self.set("pad_token_id", json!(pad_token_id));
        }
        // Newer files of the hub call it `dtype`; both say what the tensors hold.
        self.values.remove("torch_dtype");
        self.set("dtype", json!("float32"));
    }
}

impl ModelConfig {
    /// The key that says which hidden state is classified: ModernBERT's own, and ours in other families' files.
    pub(crate) const POOLING: &str = "classifier_pooling";

    /// How the network's parameters are called in files.
    pub(crate) fn rules(&self) -> Rules {
        let rules = self.family.rules();
        if self.mean_pooling { rules.mean_pooled() } else { rules }
    }

    /// Reads what `config.json` says, for these labels or, without, for the labels it names.
    ///
    /// # Errors
    /// When the family is not known or a value is missing or cannot be.
    pub fn new(hub: &HubConfig, labels: Option<Vec<String>>) -> Result<Self, ModelError> {
        let (family, model_type, architecture) = Family::of(hub)?;
        let labels = match labels {
            Some(labels) => labels,
            None => hub.labels()?,
        };
        let problem = match hub.get("problem_type") {
            None => ProblemType::SingleLabelClassification,
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|_| hub.problem(format!("`problem_type` is {value}: only classification is supported")))?,
        };
        if labels.len() < 2 {
            return Err(hub.problem(format!("a classifier needs at least two labels, found {labels:?}")));
        }
        let mut translation = family.translate(hub, labels.len())?;
        let mean_pooling = family != Family::ModernBert && hub.text_or(Self::POOLING, "")? == "mean";
        if mean_pooling {
            translation.network.head = translation.network.head.mean_pooled();
        }
        Ok(Self {
            family,
            model_type,
            architecture,
            mean_pooling,
            network: translation.network,
            labels,
            problem,
            pad_token_id: translation.pad_token_id,
            max_length: translation.max_length,
            initializer_range: hub.number_or("initializer_range", 0.02)?,
        })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(values: Value) -> HubConfig {
        let Value::Object(values) = values else { panic!("an object") };
        HubConfig { path: "config.json".into(), values }
    }

    #[test]
    fn labels_come_from_both_forms() {
        assert_eq!(config(json!({"id2label": {"1": "b", "0": "a"}})).labels().unwrap(), ["a", "b"]);
        assert_eq!(config(json!({"num_labels": 3})).labels().unwrap().len(), 3);
        let error = config(json!({"id2label": {"1": "b", "2": "a"}})).labels().unwrap_err().to_string();
        assert!(error.contains("none for \"0\""), "{error}");
    }

    #[test]
    fn absurd_values_are_refused_with_key_and_value() {
        let absurd = config(json!({"num_hidden_layers": 1_000_000_000_000u64, "hidden_dropout_prob": 1.0}));
        assert!(absurd.count("num_hidden_layers").unwrap_err().to_string().contains("1000000000000"));
        assert!(absurd.dropout_or("hidden_dropout_prob", 0.0).is_err());
        assert!(absurd.count("hidden_size").unwrap_err().to_string().contains("`hidden_size` is missing"));
    }
}
