//! A classifier with int8 weights: written, read back, and close to the one it was made of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, TensorData};
use firebrand_model::{Classifier, SafetensorsFile, Tokens, named_parameters, write_safetensors};
use tempfile::TempDir;

const IDS: [&[u32]; 3] = [&[38, 17, 66, 56, 31, 72, 18, 37], &[102, 58, 79], &[70, 101, 11, 107, 83]];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/bert")
}

fn device() -> Device {
    firebrand_model::device("flex").unwrap()
}

fn saved() -> (TempDir, Classifier) {
    let directory = tempfile::tempdir().unwrap();
    let classifier = Classifier::load(&golden(), &device()).unwrap();
    classifier.save(directory.path()).unwrap();
    classifier.save_int8(directory.path()).unwrap();
    (directory, classifier)
}

fn logits(classifier: &Classifier) -> Vec<f32> {
    let zeros = [0; 8];
    let rows: Vec<_> = IDS.iter().map(|ids| Tokens { ids, type_ids: &zeros[..ids.len()] }).collect();
    classifier.logits(&rows, 8, &mut |_| ()).unwrap().concat()
}

#[test]
fn scores_stay_close_and_the_file_is_small() {
    let (directory, classifier) = saved();
    let loaded = Classifier::load_int8(directory.path(), &device()).unwrap();
    assert_eq!(loaded.labels(), classifier.labels());
    let (exact, rough) = (logits(&classifier), logits(&loaded));
    let largest = exact.iter().zip(&rough).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest > 0.0, "int8 cannot be without loss here");
    assert!(largest < 0.1, "{largest}: {exact:?} became {rough:?}");
    let bytes = |path: &str| fs::metadata(directory.path().join(path)).unwrap().len();
    // The header weighs more in so small a model.
    assert!(bytes(Classifier::INT8_FILE) * 2 < bytes("model.safetensors"));
}

#[test]
fn the_output_layer_norms_and_biases_are_unchanged() {
    let (directory, classifier) = saved();
    let loaded = Classifier::load_int8(directory.path(), &device()).unwrap();
    let mut changed = 0;
    for ((path, before), (_, after)) in
        named_parameters(&classifier.network).into_iter().zip(named_parameters(&loaded.network))
    {
        let quantized = path != "head.output.weight"
            && before.shape().len() == 2
            && (path.ends_with(".weight") || path == "encoder.embeddings.token");
        assert_eq!(before != after, quantized, "{path}");
        changed += usize::from(quantized);
    }
    // Six maps in each of two layers, the pooler, the token table.
    assert_eq!(changed, 14);
    assert_eq!(classifier.save_int8(directory.path()).unwrap().len(), 14);
}

#[test]
fn the_report_names_each_matrix_and_its_error() {
    let directory = tempfile::tempdir().unwrap();
    let report = Classifier::load(&golden(), &device()).unwrap().save_int8(directory.path()).unwrap();
    assert!(report.iter().any(|tensor| tensor.name == "bert.encoder.layer.1.attention.self.key.weight"));
    assert!(report.iter().any(|tensor| tensor.name.ends_with("word_embeddings.weight") && tensor.shape == [120, 32]));
    assert!(report.iter().all(|tensor| tensor.relative_error > 1e-4 && tensor.relative_error < 0.02), "{report:?}");
}

#[test]
fn the_same_model_makes_the_same_bytes() {
    let (one, _) = saved();
    let (other, _) = saved();
    let bytes = |directory: &TempDir| fs::read(directory.path().join(Classifier::INT8_FILE)).unwrap();
    assert_eq!(bytes(&one), bytes(&other));
}

#[test]
fn the_layout_is_the_documented_one() {
    let (directory, _) = saved();
    let file = SafetensorsFile::read(&directory.path().join(Classifier::INT8_FILE)).unwrap();
    assert_eq!(file.strings()["format"], "firebrand-int8-1");
    let shapes = file.shapes();
    // As the hub has it: outputs first.
    assert_eq!(shapes["bert.encoder.layer.0.intermediate.dense.weight"], [64, 32]);
    assert_eq!(shapes["bert.encoder.layer.0.intermediate.dense.weight_scale"], [64]);
    assert!(!shapes.contains_key("classifier.weight_scale"));
}

/// Replaces the int8 file and loads it: the error's text.
fn refused(tensors: &[(&str, TensorData)], format: &str) -> String {
    let (directory, _) = saved();
    let tensors: Vec<_> = tensors.iter().map(|(name, data)| ((*name).to_owned(), data.clone())).collect();
    let strings = HashMap::from([("format".to_owned(), format.to_owned())]);
    write_safetensors(&directory.path().join(Classifier::INT8_FILE), &tensors, strings).unwrap();
    Classifier::load_int8(directory.path(), &device()).unwrap_err().to_string()
}

#[test]
fn incomplete_files_are_rejected() {
    let format = "firebrand-int8-1";
    let matrix = || TensorData::new(vec![1i8, 2, 3, 4], [2, 2]);
    let scales = |values: Vec<f32>| {
        let length = values.len();
        TensorData::new(values, [length])
    };
    assert!(refused(&[("a", matrix())], "pt").contains("format is \"pt\""));
    assert!(refused(&[("a", matrix())], format).contains("no tensor `a_scale`"));
    assert!(refused(&[("a", matrix()), ("a_scale", scales(vec![1.0]))], format).contains("one scale per row"));
    assert!(refused(&[("a_scale", scales(vec![1.0]))], format).contains("without an int8 matrix `a`"));
    let whole = [("a", matrix()), ("a_scale", scales(vec![1.0, 1.0]))];
    let error = refused(&whole, format);
    // The 41 that the network needs, and `a`.
    assert!(error.contains("42 tensors do not fit"), "{error}");
}

#[test]
fn a_file_cut_short_and_one_that_is_missing_are_refused() {
    let (directory, _) = saved();
    let path = directory.path().join(Classifier::INT8_FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let load = || Classifier::load_int8(directory.path(), &device()).unwrap_err().to_string();
    assert!(load().contains("damaged or incomplete safetensors file"));
    fs::remove_file(&path).unwrap();
    assert!(load().contains("cannot read"));
}
