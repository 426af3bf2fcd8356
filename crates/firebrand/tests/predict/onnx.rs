//! `firebrand onnx`: the files it writes and what it says.

use std::fs;
use std::process::Command;

use firebrand_infer::Checksums;

use crate::common::Bundle;

/// Exit code, stdout, stderr; the bundle's path is shown as `[BUNDLE]`.
fn onnx(bundle: &Bundle, options: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebrand"));
    let output = command.arg("onnx").arg(bundle.path("")).args(options).output().unwrap();
    let root = bundle.path("").display().to_string();
    let shown = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&root, "[BUNDLE]");
    (output.status.code(), shown(output.stdout), shown(output.stderr))
}

#[test]
fn every_precision_is_written_beside_the_weights_and_printed_with_its_size() {
    let bundle = Bundle::new();
    Checksums::write(&bundle.path("")).unwrap();
    let (code, stdout, stderr) = onnx(&bundle, &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let names = ["model.onnx", "model_fp16.onnx", "model_quantized.onnx"];
    assert_eq!(stdout.lines().count(), names.len(), "{stdout}");
    for (line, name) in stdout.lines().zip(names) {
        let bytes = fs::metadata(bundle.path(&format!("onnx/{name}"))).unwrap().len();
        let digits: String = line.split(" bytes").next().unwrap().chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits, bytes.to_string(), "{line}");
        assert!(line.ends_with(&format!(" bytes  [BUNDLE]/onnx/{name}")), "{line}");
    }
    // The bundle is whole as before.
    bundle.predict(&["a text"], "").succeeded();
}

#[test]
fn one_precision_is_written_elsewhere() {
    let bundle = Bundle::new();
    bundle.add_int8();
    fs::remove_file(bundle.path("model.safetensors")).unwrap();
    let output = bundle.path("served").display().to_string();
    let (code, stdout, _) = onnx(&bundle, &["--precision", "int8", "--output", &output]);
    assert_eq!(code, Some(0));
    assert!(stdout.ends_with("[BUNDLE]/served/model_quantized.onnx\n"), "{stdout}");
    assert_eq!(fs::read_dir(bundle.path("served")).unwrap().count(), 1);
    let (code, _, stderr) = onnx(&bundle, &["--precision", "fp32"]);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("no weights found") && stderr.contains("hint: "), "{stderr}");
}

#[test]
fn a_damaged_bundle_is_refused() {
    let bundle = Bundle::new();
    Checksums::write(&bundle.path("")).unwrap();
    bundle.configure("hidden_act", "relu".into());
    let (code, stdout, stderr) = onnx(&bundle, &[]);
    assert_eq!((code, stdout.as_str()), (Some(4), ""));
    assert!(stderr.contains("config.json") && stderr.contains("hint: "), "{stderr}");
    assert!(!bundle.path("onnx").exists());
    let (code, _, stderr) = onnx(&bundle, &["--precision", "fp8"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("[possible values: fp32, fp16, int8]"), "{stderr}");
}
