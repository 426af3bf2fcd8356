//! The baselines of the evaluate stage, for the model card.

use std::path::Path;

use firebrand_pipeline::{Result, read_json};
use serde_json::Value;

/// A baseline's figures on the test split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) name: String,
    pub(crate) accuracy: f64,
    pub(crate) macro_f1: Option<f64>,
    pub(crate) micro_f1: Option<f64>,
}

/// Reads what `metrics.json` has under `baselines`: objects, by key or in a list, each with an `accuracy`, directly or under
/// `test`, and perhaps a `name`. Other values are skipped, because a custom evaluate stage may write anything.
///
/// # Errors
/// When the file cannot be read or is not JSON.
pub(crate) fn read_baselines(path: &Path) -> Result<Vec<Baseline>> {
    let metrics: Value = read_json(path)?;
    Ok(match &metrics["baselines"] {
        Value::Object(baselines) => baselines.iter().filter_map(|(key, value)| baseline(key, value)).collect(),
        Value::Array(baselines) => baselines.iter().filter_map(|value| baseline("baseline", value)).collect(),
        _ => Vec::new(),
    })
}

fn baseline(key: &str, value: &Value) -> Option<Baseline> {
    let figures = if value["accuracy"].is_number() { value } else { &value["test"] };
    let name = value["name"].as_str().map_or_else(|| name(key), str::to_owned);
    Some(Baseline {
        name,
        accuracy: figures["accuracy"].as_f64()?,
        macro_f1: figures["macro_f1"].as_f64(),
        micro_f1: figures["averages"]["micro"]["f1"].as_f64(),
    })
}

/// A human-readable name.
fn name(key: &str) -> String {
    match key {
        "majority" => "always the most frequent label".to_owned(),
        "classic" | "tfidf" | "tfidf_logistic_regression" => "TF-IDF and logistic regression".to_owned(),
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(metrics: &Value) -> Vec<Baseline> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.json");
        std::fs::write(&path, metrics.to_string()).unwrap();
        read_baselines(&path).unwrap()
    }

    #[test]
    fn both_forms_are_read_and_others_skipped() {
        let found = read(&json!({ "baselines": {
            "majority": { "label": "a", "test": { "accuracy": 0.5, "macro_f1": 0.3 } },
            "my_model": { "accuracy": 0.75 },
            "note": "text"
        } }));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "always the most frequent label");
        assert_eq!((found[0].accuracy, found[0].macro_f1), (0.5, Some(0.3)));
        assert_eq!(found[1], Baseline { name: "my model".to_owned(), accuracy: 0.75, macro_f1: None, micro_f1: None });
    }

    #[test]
    fn a_list_of_named_baselines_is_read() {
        let found = read(&json!({ "baselines": [{ "name": "fastText", "accuracy": 0.7, "macro_f1": 0.6 }] }));
        assert_eq!(
            found,
            [Baseline { name: "fastText".to_owned(), accuracy: 0.7, macro_f1: Some(0.6), micro_f1: None }]
        );
    }

    #[test]
    fn missing_baselines_are_an_empty_list() {
        assert!(read(&json!({ "test": { "accuracy": 0.5 } })).is_empty());
        assert!(read(&json!({ "baselines": null })).is_empty());
    }
}
