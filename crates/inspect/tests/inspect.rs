//! The program as a user runs it. Expected output is in `snapshots/NAME.txt`; `SNAPSHOTS=overwrite cargo test -p
//! firebrand-inspect` rewrites it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use snapbox::{Assert, Data};
use tempfile::TempDir;

/// The model crate's fixtures.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models")
}

/// Runs the program in a directory, with an empty hub cache and without a network. Returns exit code, stderr and stdout.
fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let hub = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_firebrand-inspect"))
        .args(arguments)
        .current_dir(directory)
        .arg("--cache")
        .arg(hub.path().join("cache"))
        .env("HF_HUB_CACHE", hub.path())
        .env("HF_HUB_OFFLINE", "1")
        .env_remove("HF_ENDPOINT")
        .output()
        .unwrap();
    let hidden = hub.path().display().to_string();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&hidden, "[HUB]");
    (output.status.code(), text(output.stderr), text(output.stdout))
}

#[track_caller]
fn same(name: &str, text: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name).with_extension("txt");
    Assert::new().action_env("SNAPSHOTS").eq(text, Data::read_from(&path, None));
}

/// A BERT with a tokenizer and a model card.
fn whole() -> TempDir {
    let directory = TempDir::new().unwrap();
    let to = directory.path();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(golden().join("bert").join(name), to.join(name)).unwrap();
    }
    let words: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into();
    let words: Vec<String> = words.into_iter().chain((5..100).map(|id| format!("word{id}"))).collect();
    fs::write(to.join("vocab.txt"), words.join("\n")).unwrap();
    fs::write(to.join("tokenizer_config.json"), r#"{"model_max_length": 20}"#).unwrap();
    fs::write(to.join("README.md"), "---\nlicense: apache-2.0\n---\n# A model\n").unwrap();
    directory
}

#[test]
fn a_classifier_is_inspected() {
    let (code, stderr, stdout) = run(&golden(), &["bert", "--labels", "5"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    same("bert", stdout);
    let (code, _, stdout) = run(&golden(), &["gpt2"]);
    assert_eq!(code, Some(0));
    same("gpt2-without-tokenizer", stdout);
}

#[test]
fn tokenizer_licence_and_tensors_are_reported() {
    let directory = whole();
    let (code, _, stdout) = run(directory.path(), &["."]);
    assert_eq!(code, Some(0));
    same("whole", stdout);
    let (_, _, stdout) = run(directory.path(), &[".", "--json"]);
    same("json", stdout);
}

#[test]
fn a_tokenizer_of_another_model_is_reported() {
    let directory = whole();
    let words: Vec<String> = (0..200).map(|id| format!("word{id}")).collect();
    fs::write(directory.path().join("vocab.txt"), ["[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", &words.join("\n")].concat())
        .unwrap();
    let (code, _, stdout) = run(directory.path(), &["."]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("does not match this model: it has 205 tokens, but the model has 120"), "{stdout}");
}

/// A copy of a fixture, below a directory, with a changed configuration.
fn configured(fixture: &str, to: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    fs::create_dir_all(to).unwrap();
    fs::copy(golden().join(fixture).join("model.safetensors"), to.join("model.safetensors")).unwrap();
    let mut config = serde_json::from_slice(&fs::read(golden().join(fixture).join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(to.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn heads_are_reported_as_training_treats_them() {
    let models = TempDir::new().unwrap();
    configured("bert", &models.path().join("ner"), |config| {
        config["architectures"] = serde_json::json!(["BertForTokenClassification"]);
    });
    configured("bert", &models.path().join("numbers"), |config| {
        config["id2label"] = serde_json::json!({ "0": 0, "1": 1, "2": 2 });
    });
    configured("bert", &models.path().join("gaps"), |config| {
        config["id2label"] = serde_json::json!({ "0": "a", "2": "c" });
    });
    for (model, expected) in [
        ("ner", "labels       alpha, beta, gamma; the head cannot be kept: it belongs to BertForTokenClassification"),
        ("ner", "left out     2 of the tensors: classifier.weight, classifier.bias"),
        ("numbers", "labels       0, 1, 2; the head is kept for data with these labels"),
        ("gaps", "labels       cannot be read, so the head will be a new one: "),
    ] {
        let (code, stderr, stdout) = run(models.path(), &[model]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(stdout.contains(expected), "{expected:?} is not in:\n{stdout}");
    }
}

#[test]
fn a_sentence_model_is_inspected_where_its_transformer_is() {
    let models = TempDir::new().unwrap();
    let at = |name: &str| models.path().join(name);
    configured("bert", &at("0_BERT"), |_| ());
    fs::create_dir_all(at("1_Pooling")).unwrap();
    fs::write(at("1_Pooling/config.json"), r#"{"pooling_mode_mean_tokens": true}"#).unwrap();
    fs::write(at("config.json"), r#"{"__version__": "0.3.0"}"#).unwrap();
    fs::write(at("README.md"), "---\nlicense: mit\n---\n").unwrap();
    let modules = r#"[{"type": "sentence_transformers.models.BERT", "path": "0_BERT"},
                      {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]"#;
    fs::write(at("modules.json"), modules).unwrap();
    let (code, _, stdout) = run(models.path(), &["."]);
    assert_eq!(code, Some(0));
    same("sentence-model", stdout);
}

#[test]
fn what_cannot_be_inspected_is_an_error_that_says_what_to_do() {
    let models = TempDir::new().unwrap();
    let at = |name: &str| models.path().join(name);
    fs::create_dir_all(at("run/pretrained")).unwrap();
    fs::create_dir_all(at("empty")).unwrap();
    fs::create_dir_all(at("unknown")).unwrap();
    fs::create_dir_all(at("no-weights")).unwrap();
    fs::write(at("unknown/config.json"), r#"{"model_type": "bertt"}"#).unwrap();
    fs::write(at("unknown/model.safetensors"), "weights").unwrap();
    fs::create_dir_all(at("adapter")).unwrap();
    let adapter = r#"{"peft_type": "LORA", "base_model_name_or_path": "google-bert/bert-base-uncased"}"#;
    fs::write(at("adapter/adapter_config.json"), adapter).unwrap();
    for place in ["run/pretrained", "no-weights"] {
        fs::copy(golden().join("bert/config.json"), at(place).join("config.json")).unwrap();
    }
    let cases: [(&str, &str, i32); 9] = [
        ("adapter", "adapter", 4),
        ("no-such-path", "./nowhere", 4),
        ("no-config", "empty", 4),
        ("one-directory-too-high", "run", 4),
        ("a-file", "unknown/config.json", 4),
        ("unknown-family", "unknown", 4),
        ("no-weights", "no-weights", 4),
        ("offline", "org/name@v2", 1),
        ("no-name", "org/na me", 2),
    ];
    for (name, argument, expected) in cases {
        let (code, stderr, stdout) = run(models.path(), &[argument]);
        assert_eq!((code, stdout.as_str()), (Some(expected), ""), "{name}: {stderr}");
        same(name, stderr);
    }
}
