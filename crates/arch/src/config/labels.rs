//! The labels that a `config.json` names, and whether its head is that of a text classifier.

use serde_json::{Map, Value};

use super::{HubConfig, kind};
use crate::ModelError;

impl HubConfig {
    /// The maximum number of labels without names: a short file must not fill the memory.
    const MAX_NAMELESS: usize = 10_000;

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
        match self.get("id2label") {
            Some(Value::Object(map)) if !map.is_empty() => {
                let name = |index: usize| {
                    let entries = map.len();
                    let name = map.get(&index.to_string()).ok_or_else(|| {
                        self.problem(format!("`id2label` has {entries} entries, but none for \"{index}\""))
                    })?;
                    self.label_name(index, name)
                };
                (0..map.len()).map(name).collect::<Result<_, _>>().map(Some)
            }
            Some(Value::Array(names)) if !names.is_empty() => {
                let name = |(index, name)| self.label_name(index, name);
                names.iter().enumerate().map(name).collect::<Result<_, _>>().map(Some)
            }
            None | Some(Value::Object(_) | Value::Array(_)) => match self.get("label2id") {
                Some(Value::Object(map)) if !map.is_empty() => self.inverted(map).map(Some),
                _ => Ok(None),
            },
            Some(other) => {
                Err(self
                    .problem(format!("`id2label` is {}: expected an object such as {{\"0\": \"ham\"}}", kind(other))))
            }
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
}

/// What transformers calls a label without a name.
fn generic_label(index: usize) -> String {
    format!("LABEL_{index}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::config;
    use super::*;

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
}
