//! What the program prints, in `snapshots/NAME.txt`; `SNAPSHOTS=overwrite cargo test -p firebrand` writes it anew.

use std::path::Path;

use serde_json::Value;
use snapbox::{Assert, Data};

use crate::common::{Answer, Bundle};

/// Texts of every kind, with one that is not UTF-8.
const STDIN: &[u8] = b"a good film\nwith\ttab\n\ncaf\xe9\na a a a a a a a a a a a a a a a a a a a a a a a a\n";

#[track_caller]
fn same(name: &str, text: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/predict/snapshots").join(name).with_extension("txt");
    Assert::new().action_env("SNAPSHOTS").normalize_paths(false).eq(text, Data::read_from(&path, None));
}

/// Both streams, without scores: their last digits depend on the processor.
fn streams(answer: &Answer, hide: impl Fn(&str) -> String) -> String {
    let lines: Vec<String> = answer.stdout.lines().map(hide).collect();
    format!("stdout:\n{}\n\nstderr:\n{}", lines.join("\n"), answer.stderr)
}

fn hide_columns(line: &str) -> String {
    let hide = |field: &str| match field.trim_end_matches('*').parse::<f32>() {
        Ok(_) if field.ends_with('*') => "[SCORE]*".to_owned(),
        Ok(_) => "[SCORE]".to_owned(),
        Err(_) => field.to_owned(),
    };
    line.split('\t').map(hide).collect::<Vec<_>>().join("<TAB>")
}

fn hide_json(line: &str) -> String {
    fn hide(value: &mut Value) {
        match value {
            Value::Object(object) => object.iter_mut().for_each(|(key, value)| match value {
                Value::Number(_) if key == "score" => *value = "[SCORE]".into(),
                _ => hide(value),
            }),
            Value::Array(values) => values.iter_mut().for_each(hide),
            _ => (),
        }
    }
    let mut value = serde_json::from_str(line).unwrap();
    hide(&mut value);
    value.to_string()
}

#[test]
fn help() {
    same("help", Bundle::new().predict(&["--help"], "").succeeded().stdout);
}

#[test]
fn onnx_help() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_firebrand"));
    let output = command.args(["onnx", "--help"]).output().unwrap();
    same("onnx-help", String::from_utf8(output.stdout).unwrap());
}

#[test]
fn columns() {
    same("columns", streams(&Bundle::new().predict(&[], STDIN).failed(4), hide_columns));
}

#[test]
fn columns_of_all_labels() {
    let bundle = Bundle::new();
    bundle.configure("problem_type", "multi_label_classification".into());
    same("multi-label", streams(&bundle.predict(&[], STDIN).failed(4), hide_columns));
}

#[test]
fn json() {
    same("json", streams(&Bundle::new().predict(&["--json", "--top-k", "2"], STDIN).failed(4), hide_json));
}

#[test]
fn pairs() {
    let bundle = Bundle::new();
    bundle.take_pairs();
    same("pairs", streams(&bundle.predict(&["--json"], "a\tb\nalone\n").failed(4), hide_json));
}
