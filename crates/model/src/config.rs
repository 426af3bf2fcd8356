//! The hub's `config.json`, and the configuration read from it.

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

    /// The maximum number of labels without names: a short file must not fill the memory.
    const MAX_NAMELESS: usize = 10_000;

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

    /// The names of a classifier's labels, by index; `LABEL_0`, `LABEL_1`, … as in transformers if it names none.
    pub(crate) fn labels(&self) -> Result<Vec<String>, ModelError> {
        if let Some(names) = self.label_names()? {
            return Ok(names);
        }
        let count = self.count_or("num_labels", 2)?;
        if count > Self::MAX_NAMELESS {
            let max = Self::MAX_NAMELESS;
            return Err(self.problem(format!("`num_labels` is {count}: more than {max} need names, in `id2label`")));
        }
        Ok((0..count).map(generic_label).collect())
    }

    /// The names of the labels by index, from `id2label` or else from `label2id`; `None` if it names none.
    ///
    /// Numbers are their texts: trainers write the labels of a numeric column as numbers. `num_labels` is not consulted, as
    /// the shape of the output layer tells the count.
    pub(crate) fn label_names(&self) -> Result<Option<Vec<String>>, ModelError> {
        match (self.get("id2label"), self.get("label2id")) {
            (Some(Value::Object(map)), _) if !map.is_empty() => {
                let name = |index: usize| {
                    let entries = map.len();
                    let name = map.get(&index.to_string()).ok_or_else(|| {
                        self.problem(format!("`id2label` has {entries} entries, but none for \"{index}\""))
                    })?;
                    self.label_name(index, name)
                };
                (0..map.len()).map(name).collect::<Result<_, _>>().map(Some)
            }
            (Some(Value::Array(names)), _) if !names.is_empty() => names
                .iter()
                .enumerate()
                .map(|(index, name)| self.label_name(index, name))
                .collect::<Result<_, _>>()
                .map(Some),
            (None | Some(Value::Object(_) | Value::Array(_)), Some(Value::Object(map))) if !map.is_empty() => {
                self.inverted(map).map(Some)
            }
            (Some(other), _) if !other.is_object() && !other.is_array() => {
                Err(self
                    .problem(format!("`id2label` is {}: expected an object such as {{\"0\": \"ham\"}}", kind(other))))
            }
            _ => Ok(None),
        }
    }

    fn label_name(&self, index: usize, name: &Value) -> Result<String, ModelError> {
        match name {
            Value::String(name) => Ok(name.clone()),
            Value::Bool(_) | Value::Number(_) => Ok(name.to_string()),
            Value::Null => Ok(generic_label(index)),
            Value::Array(_) | Value::Object(_) => {
                Err(self.problem(format!("`id2label` has {} for \"{index}\": expected a name", kind(name))))
            }
        }
    }

    /// The labels of `label2id`, by index.
    fn inverted(&self, map: &Map<String, Value>) -> Result<Vec<String>, ModelError> {
        let mut names = vec![None; map.len()];
        for (name, index) in map {
            let place =
                index.as_u64().and_then(|index| usize::try_from(index).ok()).and_then(|index| names.get_mut(index));
            match place {
                Some(place @ None) => *place = Some(name.clone()),
                _ => {
                    return Err(self.problem(format!(
                        "`label2id` has {index} for {name:?}: expected each number from 0 to {} once",
                        map.len() - 1
                    )));
                }
            }
        }
        // As many distinct places as names: all are filled.
        Ok(names.into_iter().flatten().collect())
    }

    /// Why the head is not that of a text classifier, even if its tensors have the same names and shapes: the file was saved
    /// from a model for another task.
    pub(crate) fn other_task(&self) -> Option<String> {
        const TASKS: [&str; 9] = [
            "ForTokenClassification",
            "ForQuestionAnswering",
            "ForQuestionAnsweringSimple",
            "ForMultipleChoice",
            "ForMaskedLM",
            "ForPreTraining",
            "ForNextSentencePrediction",
            "LMHeadModel",
            "ForCausalLM",
        ];
        let saved_from = self.get("architectures")?.get(0)?.as_str()?;
        let other = TASKS.iter().any(|task| saved_from.ends_with(task));
        other.then(|| format!("it belongs to {saved_from}, which does not classify texts"))
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

/// What transformers calls a label without a name.
fn generic_label(index: usize) -> String {
    format!("LABEL_{index}")
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

    fn config(values: Value) -> HubConfig {
        let Value::Object(values) = values else { panic!("an object") };
        HubConfig { path: "config.json".into(), values }
    }

    #[test]
    fn labels_come_from_every_form() {
        let labels = |values: Value| config(values).labels().map_err(|error| error.to_string());
        for (values, expected) in [
            (json!({"id2label": {"1": "b", "0": "a"}}), vec!["a", "b"]),
            (json!({"id2label": {"0": 0, "1": 1, "2": 2}}), vec!["0", "1", "2"]),
            (json!({"id2label": {"0": -1, "1": 0.5, "2": true}}), vec!["-1", "0.5", "true"]),
            (json!({"id2label": {"0": null, "1": "b"}}), vec!["LABEL_0", "b"]),
            (json!({"id2label": ["a", "b"]}), vec!["a", "b"]),
            (json!({"id2label": {"0": "a", "1": "b"}, "num_labels": 7}), vec!["a", "b"]),
            (json!({"id2label": {"0": "a", "1": "b"}, "label2id": {"x": 0, "y": 1}}), vec!["a", "b"]),
            (json!({"label2id": {"spam": 1, "ham": 0}}), vec!["ham", "spam"]),
            (json!({"id2label": null, "label2id": {"spam": 1, "ham": 0}}), vec!["ham", "spam"]),
            (json!({"id2label": {}, "label2id": {"spam": 1, "ham": 0}}), vec!["ham", "spam"]),
            (json!({"id2label": null, "num_labels": 3}), vec!["LABEL_0", "LABEL_1", "LABEL_2"]),
            (json!({}), vec!["LABEL_0", "LABEL_1"]),
        ] {
            assert_eq!(labels(values.clone()).unwrap(), expected, "{values}");
        }
        for (values, expected) in [
            (json!({"id2label": {"1": "b", "2": "a"}}), "none for \"0\""),
            (json!({"id2label": {"0": "a", "2": "c"}}), "none for \"1\""),
            (json!({"id2label": {"0": ["a"], "1": "b"}}), "a list for \"0\""),
            (json!({"id2label": "ham,spam"}), "`id2label` is a string"),
            (
                json!({"label2id": {"a": 0, "b": 2}}),
                "`label2id` has 2 for \"b\": expected each number from 0 to 1 once",
            ),
            (json!({"label2id": {"a": 0, "b": 0}}), "once"),
            (json!({"label2id": {"a": "x", "b": 0}}), "once"),
            (json!({"num_labels": "three"}), "`num_labels` is \"three\""),
        ] {
            let error = labels(values.clone()).unwrap_err();
            assert!(error.contains(expected), "{values}: {error}");
        }
    }

    #[test]
    fn names_are_told_from_their_absence() {
        assert_eq!(config(json!({"num_labels": 3})).label_names().unwrap(), None);
        assert_eq!(config(json!({"id2label": {}, "label2id": {}})).label_names().unwrap(), None);
    }

    #[test]
    fn absurd_values_are_rejected_with_key_and_value() {
        let absurd = config(json!({"num_hidden_layers": 1_000_000_000_000u64, "hidden_dropout_prob": 1.0}));
        assert!(absurd.count("num_hidden_layers").unwrap_err().to_string().contains("1000000000000"));
        assert!(absurd.dropout_or("hidden_dropout_prob", 0.0).is_err());
        assert!(absurd.count("hidden_size").unwrap_err().to_string().contains("`hidden_size` is missing"));
    }
}
