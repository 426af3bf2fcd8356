//! `firebrand inspect` on bundles.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::Bundle;

fn inspect(bundle: &Bundle, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebrand"));
    let output = command.arg("inspect").arg(bundle.path("")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json_of(bundle: &Bundle) -> Value {
    let (code, stdout, stderr) = inspect(bundle, &["--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn a_bundle_is_described() {
    let bundle = Bundle::new();
    bundle.write("README.md", "---\nbase_model: org/name\n---\n");
    let (code, text, stderr) = inspect(&bundle, &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for line in [
        "model       bert (BertForSequenceClassification)\n",
        "labels      one of 3: alpha, beta, gamma\n",
        "takes       single texts of up to 24 tokens\n",
        "cleaning    HTML removed, control characters removed, NFC, lower case, white space collapsed\n",
        "tokenizer   WordPiece of 77 tokens\n",
        "precisions  fp32\n",
        "base model  org/name\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(text.contains(" bytes  README.md\n") && text.contains(" bytes  model.safetensors\n"), "{text}");

    let found = json_of(&bundle);
    assert_eq!((&found["family"], &found["max_length"], &found["pairs"]), (&json!("bert"), &json!(24), &json!(false)));
    assert_eq!((&found["labels"], &found["multi_label"]), (&json!(["alpha", "beta", "gamma"]), &json!(false)));
    assert_eq!((&found["precisions"], &found["cleaning"]["lowercase"]), (&json!(["fp32"]), &json!(true)));
    assert_eq!(found["provenance"]["base_model"], "org/name");
}

#[test]
fn what_a_bundle_lacks_is_told() {
    let bundle = Bundle::new();
    fs::remove_file(bundle.path("text.json")).unwrap();
    fs::remove_file(bundle.path("tokenizer.json")).unwrap();
    fs::create_dir(bundle.path("int8")).unwrap();
    fs::copy(bundle.path("model.safetensors"), bundle.path("int8/model.safetensors")).unwrap();
    bundle.configure("problem_type", "multi_label_classification".into());
    let (code, text, _) = inspect(&bundle, &[]);
    assert_eq!(code, Some(0));
    for line in [
        "labels      any number of 3: ",
        "cleaning    none: there is no text.json\n",
        "tokenizer   cannot be used: ",
        "precisions  fp32, int8\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    fs::remove_file(bundle.path("model.safetensors")).unwrap();
    let (code, _, stderr) = inspect(&bundle, &[]);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("hint: "), "{stderr}");
    fs::remove_dir_all(bundle.path("")).unwrap();
    assert!(inspect(&bundle, &["--json"]).2.contains("does not exist"));
}
