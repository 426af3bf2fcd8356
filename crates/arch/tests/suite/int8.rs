//! Int8 weights: written, read back, refused where they are damaged.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use firebrand_arch::{
    FloatTensor, INT8_FILE, Int8Checkpoint, Int8Matrix, ModelConfig, Pretrained, QuantizedTensor, SafetensorsFile,
    TensorValues, TensorView, parameters, save_int8, write_safetensors,
};
use tempfile::TempDir;

use crate::files::{model, models, read_parameters};

/// A golden model with int8 weights, the report about them, and the model itself.
fn saved(fixture: &Path) -> (TempDir, Vec<QuantizedTensor>, Pretrained) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(INT8_FILE);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let model = Pretrained::open(fixture).unwrap();
    let report = save_int8(&path, model.config(), read_parameters(&model).unwrap()).unwrap();
    (directory, report, model)
}

fn bert() -> (TempDir, Vec<QuantizedTensor>, Pretrained) {
    saved(&model("bert"))
}

fn open(directory: &TempDir, config: &ModelConfig) -> Result<Int8Checkpoint, String> {
    Int8Checkpoint::open(&directory.path().join(INT8_FILE), config).map_err(|error| error.to_string())
}

/// In every family: those that store outputs as columns, fused, or by heads as well.
#[test]
fn a_matrix_has_a_row_and_a_scale_for_each_output_or_token() {
    for fixture in models() {
        let (directory, report, model) = saved(&fixture);
        let int8 = open(&directory, model.config()).unwrap();
        let mut quantized = 0;
        for (path, shape) in parameters(&model.config().network) {
            let Ok(shape) = <[usize; 2]>::try_from(shape) else { continue };
            let Some(matrix) = int8.matrix(&path, shape).unwrap() else {
                assert_eq!(int8.parameter(&path, &shape).unwrap(), model.parameter(&path, &shape).unwrap(), "{path}");
                continue;
            };
            let rows = if path == "encoder.embeddings.token" {
                model.parameter(&path, &shape).unwrap()
            } else {
                model.parameter_transposed(&path, shape).unwrap()
            };
            let columns = rows.len() / matrix.scales.len();
            assert_eq!(matrix, Int8Matrix::quantize(&rows, columns), "{path} of {}", fixture.display());
            // As what the training stack computes with: it has no int8.
            let dequantized = if path == "encoder.embeddings.token" {
                int8.parameter(&path, &shape).unwrap()
            } else {
                int8.parameter_transposed(&path, shape).unwrap()
            };
            assert_eq!(matrix.dequantize(), dequantized, "{path} of {}", fixture.display());
            quantized += 1;
        }
        assert!(quantized >= report.len() && report.len() > 4, "{quantized} matrices, reported {}", report.len());
    }
}

#[test]
fn the_output_layer_norms_and_biases_are_unchanged() {
    let (directory, report, model) = bert();
    let int8 = open(&directory, model.config()).unwrap();
    let mut changed = 0;
    for (path, before) in read_parameters(&model).unwrap() {
        let quantized = path != "head.output.weight"
            && before.shape.len() == 2
            && (path.ends_with(".weight") || path == "encoder.embeddings.token");
        assert_eq!(before.values != int8.parameter(&path, &before.shape).unwrap(), quantized, "{path}");
        changed += usize::from(quantized);
    }
    // Six maps in each of two layers, the pooler, the token table.
    assert_eq!((changed, report.len()), (14, 14));
}

#[test]
fn the_report_names_each_matrix_and_its_error() {
    let (_, report, _) = bert();
    assert!(report.iter().any(|tensor| tensor.name == "bert.encoder.layer.1.attention.self.key.weight"));
    assert!(report.iter().any(|tensor| tensor.name.ends_with("word_embeddings.weight") && tensor.shape == [120, 32]));
    assert!(report.iter().all(|tensor| tensor.relative_error > 1e-4 && tensor.relative_error < 0.02), "{report:?}");
}

#[test]
fn the_same_model_makes_the_same_bytes() {
    let bytes = |directory: &TempDir| fs::read(directory.path().join(INT8_FILE)).unwrap();
    assert_eq!(bytes(&bert().0), bytes(&bert().0));
}

#[test]
fn the_layout_is_the_documented_one() {
    let (directory, ..) = bert();
    let file = SafetensorsFile::read(&directory.path().join(INT8_FILE)).unwrap();
    assert_eq!(file.strings()["format"], "firebrand-int8-1");
    let shapes = file.shapes();
    // As the hub has it: outputs first.
    assert_eq!(shapes["bert.encoder.layer.0.intermediate.dense.weight"], [64, 32]);
    assert_eq!(shapes["bert.encoder.layer.0.intermediate.dense.weight_scale"], [64]);
    assert!(!shapes.contains_key("classifier.weight_scale"));
}

/// Replaces the int8 file and opens it: the error's text.
fn refused(tensors: &[(&str, TensorView<'_>)], format: &str) -> String {
    let (directory, _, model) = bert();
    let strings = HashMap::from([("format".to_owned(), format.to_owned())]);
    write_safetensors(&directory.path().join(INT8_FILE), tensors.iter().copied(), strings).unwrap();
    open(&directory, model.config()).unwrap_err()
}

#[test]
fn incomplete_files_are_rejected() {
    let format = "firebrand-int8-1";
    let matrix = TensorView { shape: &[2, 2], values: TensorValues::I8(&[1, 2, 3, 4]) };
    let [one, two] = [1, 2].map(|length| FloatTensor::new(vec![1.0; length], [length]));
    assert!(refused(&[("a", matrix)], "pt").contains("format is \"pt\""));
    assert!(refused(&[("a", matrix)], format).contains("no tensor `a_scale`"));
    assert!(refused(&[("a", matrix), ("a_scale", one.view())], format).contains("one scale per row"));
    assert!(refused(&[("a_scale", one.view())], format).contains("without an int8 matrix `a`"));
    let error = refused(&[("a", matrix), ("a_scale", two.view())], format);
    // The 41 that the network needs, and `a`.
    assert!(error.contains("42 tensors do not fit"), "{error}");
}

#[test]
fn a_file_cut_short_and_one_that_is_missing_are_refused() {
    let (directory, _, model) = bert();
    let path = directory.path().join(INT8_FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(open(&directory, model.config()).unwrap_err().contains("damaged or incomplete safetensors file"));
    fs::remove_file(&path).unwrap();
    assert!(open(&directory, model.config()).unwrap_err().contains("cannot read"));
}

/// One matrix of a golden model with other values or scales: the error of reading it.
fn damaged(change: impl FnOnce(&mut Vec<i8>, &mut FloatTensor)) -> String {
    const NAME: &str = "bert.pooler.dense.weight";
    let (directory, _, model) = bert();
    let path = directory.path().join(INT8_FILE);
    let file = SafetensorsFile::read(&path).unwrap();
    let matrix = open(&directory, model.config()).unwrap().matrix("head.dense.weight", [32, 32]).unwrap().unwrap();
    let scale_name = format!("{NAME}_scale");
    let (mut values, mut scales) = (matrix.values, file.floats(&scale_name).unwrap());
    change(&mut values, &mut scales);
    // What remains is written in single precision, whatever it was.
    let others: Vec<_> = read_parameters(&model).unwrap();
    let plain = tempfile::tempdir().unwrap();
    firebrand_arch::save_parameters(&plain.path().join("model.safetensors"), model.config(), others).unwrap();
    let others = crate::files::tensors(&plain.path().join("model.safetensors"));
    let others = others.iter().filter(|(name, _)| name != NAME).map(|(name, tensor)| (name.as_str(), tensor.view()));
    let own = [
        (NAME, TensorView { shape: &[32, 32], values: TensorValues::I8(&values) }),
        (scale_name.as_str(), scales.view()),
    ];
    let strings = HashMap::from([("format".to_owned(), "firebrand-int8-1".to_owned())]);
    write_safetensors(&path, others.chain(own), strings).unwrap();
    let int8 = open(&directory, model.config()).unwrap();
    int8.matrix("head.dense.weight", [32, 32]).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn a_matrix_with_values_or_scales_that_cannot_be_is_refused() {
    assert_eq!(damaged(|_, _| ()), "");
    let error = damaged(|values, _| values[5] = i8::MIN);
    assert!(error.contains("`bert.pooler.dense.weight` holds -128"), "{error}");
    for scale in [0.0, -1.0, 3e38] {
        assert!(damaged(|_, scales| scales.values[31] = scale).contains("not positive, or too large"), "{scale}");
    }
    assert!(damaged(|_, scales| scales.shape = vec![1, 32]).contains("a scale per input"));
}

#[test]
fn another_parameter_or_shape_is_refused() {
    let (directory, _, model) = bert();
    let int8 = open(&directory, model.config()).unwrap();
    let error = |path, shape| int8.matrix(path, shape).unwrap_err().to_string();
    assert!(error("head.other.weight", [32, 32]).contains("no parameter `head.other.weight`"));
    assert!(error("head.dense.weight", [32, 31]).contains("has shape [32, 32], not [32, 31]"));
}
