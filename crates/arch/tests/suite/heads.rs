//! Checkpoints of other tasks: what lies outside the encoder is left out and named, what lies inside must be known.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_arch::{FloatTensor, LoadReport, Pretrained, StartFrom, StartHead, inspect};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::{model, models, tensors, write};

/// Every fixture, with the prefix that its family's files have before the encoder's names, and one of the encoder's modules.
fn fixtures() -> Vec<(PathBuf, &'static str, &'static str)> {
    let known = |path: PathBuf| {
        let config: Value = serde_json::from_slice(&fs::read(path.join("config.json")).unwrap()).unwrap();
        let (prefix, module) = match config["model_type"].as_str().unwrap() {
            "albert" => ("albert.", "encoder.albert_layer_groups.0"),
            "bert" => ("bert.", "encoder.layer.0"),
            "deberta-v2" => ("deberta.", "encoder.layer.0"),
            "distilbert" => ("distilbert.", "transformer.layer.0"),
            "electra" => ("electra.", "encoder.layer.0"),
            "gpt2" => ("transformer.", "h.0"),
            "modernbert" => ("model.", "layers.0"),
            "mpnet" => ("mpnet.", "encoder.layer.0"),
            "roberta" => ("roberta.", "embeddings"),
            "xlnet" => ("transformer.", "layer.0"),
            other => panic!("{other} is a new family: say what its encoder's modules are"),
        };
        (path, prefix, module)
    };
    models().into_iter().map(known).collect()
}

/// A fixture with other tensors or another configuration.
struct Variant(TempDir);

impl Variant {
    fn of(
        fixture: &Path,
        change: impl FnOnce(&mut Vec<(String, FloatTensor)>),
        config: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> Self {
        let copy = TempDir::new().unwrap();
        let mut all = tensors(&fixture.join("model.safetensors"));
        change(&mut all);
        write(&copy.path().join("model.safetensors"), &all);
        let mut settings = serde_json::from_slice(&fs::read(fixture.join("config.json")).unwrap()).unwrap();
        config(&mut settings);
        fs::write(copy.path().join("config.json"), Value::Object(settings).to_string()).unwrap();
        Self(copy)
    }

    fn start(&self, head: StartHead, labels: &[&str]) -> Result<LoadReport, String> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let from = StartFrom { head, ..StartFrom::new(labels, 1) };
        let started = Pretrained::start(self.0.path(), &from);
        started.map(|model| model.report().clone()).map_err(|error| error.to_string())
    }
}

fn zeros(name: &str, shape: &[usize]) -> (String, FloatTensor) {
    (name.to_owned(), FloatTensor::new(vec![0.0; shape.iter().product()], shape))
}

/// The tensors of a fixture that are the encoder's.
fn bare(tensors: &mut Vec<(String, FloatTensor)>, prefix: &str) {
    tensors.retain(|(name, _)| name.starts_with(prefix));
}

/// A task, and the names and shapes of its head's tensors.
type TaskHead = (&'static str, &'static [(&'static str, &'static [usize])]);

const OTHER_TASKS: [TaskHead; 4] = [
    ("question answering", &[("qa_outputs.weight", &[2, 32]), ("qa_outputs.bias", &[2])]),
    ("token classification", &[("classifier.weight", &[5, 32]), ("classifier.bias", &[5])]),
    (
        "masked language model",
        &[
            ("lm_head.bias", &[120]),
            ("lm_head.dense.weight", &[32, 32]),
            ("cls.predictions.transform.dense.bias", &[32]),
        ],
    ),
    ("an unknown head", &[("crf.transitions", &[5, 5]), ("span_head.layers.0.weight", &[7, 32])]),
];

#[test]
fn every_family_leaves_out_the_heads_of_other_tasks_and_names_them() {
    for (fixture, prefix, _) in fixtures() {
        for (task, head) in OTHER_TASKS {
            for keep_prefix in [true, false] {
                let copy = Variant::of(
                    &fixture,
                    |tensors| {
                        bare(tensors, prefix);
                        if !keep_prefix {
                            tensors.iter_mut().for_each(|(name, _)| *name = name[prefix.len()..].to_owned());
                        }
                        tensors.extend(head.iter().map(|(name, shape)| zeros(name, shape)));
                    },
                    |config| drop(config.insert("architectures".to_owned(), json!(["CustomModel"]))),
                );
                for start in [StartHead::Auto, StartHead::New] {
                    let report = copy.start(start, &["one", "two"]);
                    let report = report.unwrap_or_else(|error| panic!("{} with {task}: {error}", fixture.display()));
                    for (name, _) in head {
                        assert!(report.left_out.iter().any(|left| left == name), "{name}: {report:?}");
                        assert!(report.left_out_names().unwrap().contains(name));
                    }
                    assert_eq!(report.left_out.len(), head.len(), "{}: {report:?}", fixture.display());
                    assert!(!report.new.is_empty());
                }
                let facts = inspect(copy.0.path(), 2).unwrap();
                assert!(head.iter().all(|(name, _)| facts.weights.left_out.iter().any(|left| left == name)));
            }
        }
    }
}

#[test]
fn every_family_refuses_what_is_unknown_inside_the_encoder() {
    for (fixture, prefix, module) in fixtures() {
        for name in [format!("{prefix}{module}.adapter.weight"), format!("{module}.adapter.weight")] {
            let extra = zeros(&name, &[4, 32]);
            let copy = Variant::of(&fixture, |tensors| tensors.push(extra), |_| ());
            for start in [StartHead::Auto, StartHead::New] {
                let error = copy.start(start, &["one", "two"]).unwrap_err();
                assert!(error.contains(&format!("`{name}` is not a parameter of this model")), "{error}");
            }
            assert!(inspect(copy.0.path(), 2).unwrap_err().to_string().contains(&name));
        }
    }
}

#[test]
fn every_family_refuses_an_encoder_with_a_tensor_missing_whatever_head_there_is() {
    for (fixture, prefix, module) in fixtures() {
        let start = format!("{prefix}{module}.");
        let mut missing = String::new();
        let copy = Variant::of(
            &fixture,
            |tensors| {
                let place = tensors.iter().position(|(name, _)| name.starts_with(&start)).unwrap();
                missing = tensors.remove(place).0;
                tensors.push(zeros("crf.transitions", &[5, 5]));
            },
            |_| (),
        );
        for start in [StartHead::Auto, StartHead::New] {
            let error = copy.start(start, &["one", "two"]).unwrap_err();
            assert!(error.contains(&format!("`{missing}` is missing")), "{error}");
            assert!(error.ends_with("not used: crf.transitions"), "{error}");
        }
    }
}

const LABELS: [&str; 3] = ["alpha", "beta", "gamma"];

#[test]
fn a_head_of_another_shape_is_replaced_and_not_kept() {
    let other_shape = |tensors: &mut Vec<(String, FloatTensor)>| {
        tensors.retain(|(name, _)| !name.starts_with("classifier."));
        tensors.extend([zeros("classifier.weight", &[5, 32]), zeros("classifier.bias", &[5])]);
    };
    let copy = Variant::of(&model("bert"), other_shape, |_| ());
    let report = copy.start(StartHead::Auto, &LABELS).unwrap();
    assert_eq!(report.new, ["classifier.weight", "classifier.bias"]);
    assert_eq!(report.left_out, report.new);
    assert!(copy.start(StartHead::Keep, &LABELS).unwrap_err().contains("has shape [5, 32]"));
    let head = inspect(copy.0.path(), 3).unwrap().head;
    assert!(!head.stored && head.problem.unwrap().contains("has shape [5, 32]"));

    // Below the output layer too.
    let wide = |tensors: &mut Vec<(String, FloatTensor)>| {
        tensors.retain(|(name, _)| !name.starts_with("classifier.dense."));
        tensors.extend([zeros("classifier.dense.weight", &[8, 32]), zeros("classifier.dense.bias", &[8])]);
    };
    let report = Variant::of(&model("roberta"), wide, |_| ()).start(StartHead::New, &LABELS).unwrap();
    assert_eq!(report.new.len(), 4, "{report:?}");
}

#[test]
fn a_head_of_another_task_is_not_kept_even_with_equal_labels() {
    let ner = |config: &mut serde_json::Map<String, Value>| {
        config.insert("architectures".to_owned(), json!(["BertForTokenClassification"]));
    };
    let copy = Variant::of(&model("bert"), |_| (), ner);
    assert_eq!(copy.start(StartHead::Auto, &LABELS).unwrap().new, ["classifier.weight", "classifier.bias"]);
    let error = copy.start(StartHead::Keep, &LABELS).unwrap_err();
    assert!(error.contains("cannot be kept: it belongs to BertForTokenClassification"), "{error}");
    let head = inspect(copy.0.path(), 3).unwrap().head;
    assert!(!head.stored && head.problem.unwrap().contains("BertForTokenClassification"));
}

#[test]
fn a_kept_head_leaves_out_other_heads_but_has_nothing_unknown_in_itself() {
    let with = |name: &'static str| Variant::of(&model("bert"), |tensors| tensors.push(zeros(name, &[5, 5])), |_| ());
    for start in [StartHead::Auto, StartHead::Keep] {
        let report = with("crf.transitions").start(start, &LABELS).unwrap();
        assert!(report.new.is_empty() && report.left_out == ["crf.transitions"], "{report:?}");
    }
    let inner = with("classifier.norm.weight");
    assert!(inner.start(StartHead::Keep, &LABELS).unwrap_err().contains("`classifier.norm.weight` is not a parameter"));
    let report = inner.start(StartHead::Auto, &LABELS).unwrap();
    assert_eq!(report.left_out, ["classifier.weight", "classifier.bias", "classifier.norm.weight"]);
    assert!(Pretrained::open(with("crf.transitions").0.path()).is_err());
}

/// `config.json` of a classifier for three labels, with its labels written in another way.
fn named(change: Value) -> Variant {
    let config = |config: &mut serde_json::Map<String, Value>| {
        for key in ["id2label", "label2id", "num_labels"] {
            config.remove(key);
        }
        config.extend(change.as_object().unwrap().clone());
    };
    Variant::of(&model("bert"), |_| (), config)
}

#[test]
fn a_head_is_kept_however_its_labels_are_written() {
    for (written, labels) in [
        (json!({"id2label": {"0": 0, "1": 1, "2": 2}, "label2id": {"0": 0, "1": 1, "2": 2}}), ["2", "0", "1"]),
        (json!({"label2id": {"alpha": 0, "gamma": 2, "beta": 1}}), ["beta", "alpha", "gamma"]),
        (json!({"id2label": {"0": "alpha", "1": "beta", "2": "gamma"}, "num_labels": 9}), LABELS),
        (json!({"id2label": ["alpha", "beta", "gamma"]}), LABELS),
        (json!({"id2label": {"0": null, "1": null, "2": null}}), ["LABEL_0", "LABEL_1", "LABEL_2"]),
    ] {
        let copy = named(written.clone());
        for start in [StartHead::Auto, StartHead::Keep] {
            assert_eq!(copy.start(start, &labels).unwrap().new, Vec::<String>::new(), "{written}");
        }
        assert!(inspect(copy.0.path(), 3).unwrap().head.stored, "{written}");
    }
}

#[test]
fn names_that_cannot_be_read_matter_only_where_the_head_is_to_be_kept() {
    for written in [
        json!({"id2label": {"0": "alpha", "2": "gamma"}}),
        json!({"id2label": {"1": "alpha", "2": "beta", "3": "gamma"}}),
        json!({"id2label": {"0": {"name": "alpha"}, "1": "beta", "2": "gamma"}}),
        json!({"id2label": "alpha,beta,gamma"}),
        json!({"label2id": {"alpha": 0, "beta": 0, "gamma": 2}}),
    ] {
        let copy = named(written.clone());
        for start in [StartHead::Auto, StartHead::New] {
            assert_eq!(copy.start(start, &LABELS).unwrap().new, ["classifier.weight", "classifier.bias"], "{written}");
        }
        assert!(copy.start(StartHead::Keep, &LABELS).unwrap_err().contains("config.json"), "{written}");
        let facts = inspect(copy.0.path(), 3).unwrap();
        assert!(facts.labels.is_none() && !facts.head.stored && facts.head.problem.is_some(), "{written}");
    }
    // Two names for three outputs: these are not the head's.
    let short = named(json!({"id2label": {"0": "alpha", "1": "beta"}, "num_labels": 3}));
    assert_eq!(short.start(StartHead::Auto, &["alpha", "beta"]).unwrap().new.len(), 2);
    let nameless = named(json!({"num_labels": "three"}));
    assert_eq!(nameless.start(StartHead::Auto, &LABELS).unwrap().new.len(), 2);
    assert!(nameless.start(StartHead::Keep, &LABELS).unwrap_err().contains("the model names no labels"));
}

#[test]
fn what_is_saved_states_one_number_of_labels() {
    let copy = named(json!({"num_labels": 9, "_num_labels": 9}));
    let from = StartFrom::new(vec!["a".to_owned(), "b".to_owned()], 1);
    let started = Pretrained::start(copy.0.path(), &from).unwrap();
    let saved = TempDir::new().unwrap();
    started.hub().write(saved.path()).unwrap();
    let config: Value = serde_json::from_slice(&fs::read(saved.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["id2label"], json!({"0": "a", "1": "b"}));
    assert!(config.get("num_labels").is_none() && config.get("_num_labels").is_none());
}
