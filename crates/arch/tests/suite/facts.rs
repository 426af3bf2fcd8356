//! Facts about a model agree with the loaded model.

use std::fs;

use firebrand_arch::{Pretrained, inspect, parameters};
use serde_json::{Value, json};

use crate::files::{model, models};

/// A copy of a fixture whose `config.json` is changed.
fn changed(name: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(model(name).join("model.safetensors"), directory.path().join("model.safetensors")).unwrap();
    let mut config = serde_json::from_slice(&fs::read(model(name).join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(directory.path().join("config.json"), Value::Object(config).to_string()).unwrap();
    directory
}

#[test]
fn every_family_is_inspected_as_it_loads() {
    for path in models() {
        let loaded = Pretrained::open(&path).unwrap();
        let config = loaded.config();
        let facts = inspect(&path, config.labels.len()).unwrap();
        assert_eq!(facts.labels.as_deref(), Some(&config.labels[..]));
        assert_eq!(facts.model_type, config.model_type);
        let sizes = parameters(&config.network).into_iter().map(|(_, shape)| shape.iter().product::<usize>());
        assert_eq!((facts.parameters.encoder + facts.parameters.head) as usize, sizes.sum::<usize>());
        assert_eq!(facts.sizes.vocabulary, config.network.encoder.embeddings.vocabulary);
        assert_eq!(facts.sizes.max_length, config.max_length);
        assert_eq!(facts.weights.kinds["float32"], facts.weights.tensors);
        assert!(facts.head.stored && facts.weights.left_out.is_empty(), "{}", path.display());
        let outputs: Vec<_> = facts.head.tensors.iter().filter(|tensor| tensor.new).collect();
        assert!(!outputs.is_empty() && outputs.len() <= 2, "only the output map depends on the labels: {outputs:?}");
    }
}

#[test]
fn a_new_head_has_a_row_for_each_label() {
    let facts = inspect(&model("bert"), 7).unwrap();
    let shape = |name: &str| facts.head.tensors.iter().find(|tensor| tensor.name == name).unwrap().shape.clone();
    assert_eq!(shape("classifier.weight"), [7, 32]);
    assert_eq!(shape("classifier.bias"), [7]);
    assert_eq!(facts.parameters.head, 32 * 32 + 32 + 7 * 32 + 7);
}

#[test]
fn a_head_for_other_labels_than_named_is_not_kept() {
    let directory = changed("bert", |config| {
        config.insert("id2label".to_owned(), json!({ "0": "a", "1": "b" }));
    });
    let head = inspect(directory.path(), 2).unwrap().head;
    assert!(!head.stored && head.problem.unwrap().contains("`classifier.weight` has shape [3, 32]"));
    let nameless = changed("bert", |config| {
        config.remove("id2label");
        config.remove("label2id");
        config.insert("problem_type".to_owned(), json!("regression"));
    });
    let facts = inspect(nameless.path(), 2).unwrap();
    assert_eq!((facts.labels, facts.head.stored, facts.head.problem), (None, false, None));
    assert_eq!(facts.problem.as_deref(), Some("regression"));
    assert_eq!(facts.weights.left_out, ["classifier.weight", "classifier.bias"]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let deep = changed("bert", |config| {
        config.insert("num_hidden_layers".to_owned(), json!(3));
    });
    assert!(inspect(deep.path(), 2).unwrap_err().to_string().contains("encoder.layer.2.attention"));
    assert!(inspect(&model("nowhere"), 2).is_err());
}
