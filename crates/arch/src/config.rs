//! The hub's `config.json`, and the configuration read from it.

mod labels;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::checkpoint::Rules;
use crate::checkpoint::read_json;
use crate::{Activation, Family, ModelError, NetworkConfig};

/// A `config.json`. It is kept as a whole, so that unknown keys survive a round trip.
#[derive(Debug, Clone, PartialEq)]
pub struct HubConfig {
    path: PathBuf,
    values: Map<String, Value>,
}

/// How many labels a text can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemType {
    /// One label per text: softmax.
    SingleLabelClassification,
    /// Any number of labels per text: a sigmoid for each.
    MultiLabelClassification,
}

/// A model's configuration, as far as it is known before its tensors are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The architecture's family.
    pub family: Family,
    /// The name in `config.json`: some families have several.
    pub model_type: &'static str,
    /// The class of its classifier in transformers.
    pub architecture: &'static str,
    /// Whether mean pooling replaces the family's own pooling.
    pub mean_pooling: bool,
    /// The network's configuration.
    pub network: NetworkConfig,
    /// The labels' names, by index.
    pub labels: Vec<String>,
    /// Whether texts have one label or any number of them.
    pub problem: ProblemType,
    /// The id of the padding token.
    pub pad_token_id: u32,
    /// Maximum sequence length in tokens; `None` if unlimited.
    pub max_length: Option<usize>,
    /// Standard deviation of a new head's weights.
    pub initializer_range: f64,
}

impl HubConfig {
    /// The largest accepted count: a hostile file must not make later code loop or allocate without end.
    const LARGEST: u64 = 10_000_000;

    /// The maximum number of layers, far more than any model has.
    const MAX_LAYERS: usize = 1000;

    /// A configuration without a file: for tests, benches, and training from scratch.
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
        // Serialising a map of JSON values cannot fail.
        let text = format!("{:#}\n", Value::Object(self.values.clone()));
        fs::write(&path, text).map_err(ModelError::io("write", &path))
    }

    /// An error about this file.
    pub(crate) fn problem(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Config { path: self.path.clone(), problem: problem.into() }
    }

    /// A value, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// Sets a value.
    pub fn set(&mut self, key: &str, value: Value) {
        self.values.insert(key.to_owned(), value);
    }

    /// A required positive count.
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

    /// A positive count; `None` if it is 0 or missing.
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
            layers @ 1..=Self::MAX_LAYERS => Ok(layers),
            layers => Err(self.problem(format!("`{key}` is {layers}: at most {} are accepted", Self::MAX_LAYERS))),
        }
    }

    /// A boolean, or a default.
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

    /// A non-negative number, or a default.
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

    /// A string, or a default.
    pub(crate) fn text_or<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str, ModelError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_str().ok_or_else(|| self.problem(format!("`{key}` is {value}: expected a string")))
    }

    /// The activation function of a key.
    pub(crate) fn activation_or(&self, key: &str, default: &str) -> Result<Activation, ModelError> {
        let name = self.text_or(key, default)?;
        Activation::from_name(name).ok_or_else(|| {
            let known: Vec<_> = Activation::NAMES.iter().map(|(name, _)| *name).collect();
            self.problem(format!("`{key}` is \"{name}\": the supported activations are {}", known.join(", ")))
        })
    }

    /// Sets the labels and everything else that makes this the configuration of a classifier.
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
        // A count left over from another task must not contradict the two maps.
        self.values.remove("num_labels");
        self.values.remove("_num_labels");
        if self.get("pad_token_id").is_none() {
            self.set("pad_token_id", json!(pad_token_id));
        }
        // Older name of `dtype`.
        self.values.remove("torch_dtype");
        self.set("dtype", json!("float32"));
    }
}

impl ModelConfig {
    /// The key of the pooling: ModernBERT's own, used for all families here.
    pub(crate) const POOLING: &str = "classifier_pooling";

    /// The names of the network's parameters in files.
    pub(crate) fn rules(&self) -> Rules {
        let rules = self.family.rules();
        if self.mean_pooling { rules.mean_pooled() } else { rules }
    }

    /// Reads a classifier's `DIRECTORY/config.json`. What it leaves to defaults (labels, the problem's type) is filled in, so that
    /// writing it says it for every reader.
    ///
    /// # Errors
    /// When it is missing or damaged, the family is unknown, or a value is missing or invalid.
    pub fn read(directory: &Path) -> Result<(HubConfig, Self), ModelError> {
        let mut hub = HubConfig::read(directory)?;
        let config = Self::new(&hub, None)?;
        hub.describe_classifier(&config);
        Ok((hub, config))
    }

    /// The name that the hub's files give the parameter of this path (`encoder.embeddings.token`).
    pub fn hub_name(&self, path: &str) -> Option<String> {
        self.rules().hub(path).map(|tensor| tensor.name)
    }

    /// Reads a `config.json`, for the given labels or else for those that it names.
    ///
    /// # Errors
    /// When the family is unknown, or a value is missing or invalid.
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
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn config(values: Value) -> HubConfig {
        let Value::Object(values) = values else { panic!("an object") };
        HubConfig { path: "config.json".into(), values }
    }

    #[test]
    fn absurd_values_are_rejected_with_key_and_value() {
        let absurd = config(json!({"num_hidden_layers": 1_000_000_000_000u64, "hidden_dropout_prob": 1.0}));
        assert!(absurd.count("num_hidden_layers").unwrap_err().to_string().contains("1000000000000"));
        assert!(absurd.dropout_or("hidden_dropout_prob", 0.0).is_err());
        assert!(absurd.count("hidden_size").unwrap_err().to_string().contains("`hidden_size` is missing"));
    }
}
