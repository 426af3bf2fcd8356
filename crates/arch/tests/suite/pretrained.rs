//! Parameters by path, in each orientation, and where they are in their file.

use std::fs;

use firebrand_arch::{
    FloatTensor, HubConfig, ModelConfig, Pretrained, StartFrom, StartHead, parameters, save_parameters,
};
use serde_json::Value;

use crate::files::{golden, load, model, models, read_parameters, tensors};

fn transposed(tensor: &FloatTensor) -> Vec<f32> {
    let columns = tensor.shape[1];
    (0..columns).flat_map(|column| tensor.values.iter().skip(column).step_by(columns)).copied().collect()
}

#[test]
fn every_matrix_is_read_in_both_orientations() {
    for fixture in models() {
        let model = Pretrained::open(&fixture).unwrap();
        for (path, tensor) in read_parameters(&model).unwrap() {
            assert!(model.has(&path));
            let Ok(shape) = <[usize; 2]>::try_from(tensor.shape.clone()) else { continue };
            let found = model.parameter_transposed(&path, shape).unwrap();
            assert!(found == transposed(&tensor), "{path} of {}", fixture.display());
        }
    }
}

#[test]
fn a_mapped_range_holds_the_parameter() {
    for fixture in models() {
        let model = Pretrained::open(&fixture).unwrap();
        let mut mapped = Vec::new();
        for (path, tensor) in read_parameters(&model).unwrap() {
            let Some((file, range)) = model.mapped_range(&path) else { continue };
            assert_eq!(range.start % 4, 0);
            let bytes = &fs::read(file).unwrap()[range.start as usize..range.end as usize];
            let values: Vec<f32> = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            assert!(values == tensor.values, "{path} of {}", fixture.display());
            mapped.push(path);
        }
        assert!(mapped.iter().any(|path| path == "encoder.embeddings.token"), "{}", fixture.display());
    }
}

#[test]
fn what_is_stored_in_another_way_has_no_range() {
    let transposed = Pretrained::open(&model("bert")).unwrap();
    assert_eq!(transposed.mapped_range("encoder.layers.0.mlp.up.weight"), None);
    assert!(transposed.mapped_range("encoder.layers.0.mlp.up.bias").is_some());
    assert_eq!(transposed.mapped_range("encoder.layers.9.mlp.up.bias"), None);
    let fused = Pretrained::open(&model("gpt2")).unwrap();
    assert_eq!(fused.mapped_range("encoder.layers.0.attention.key.weight"), None);
    let halves = Pretrained::open(&golden().join("torch/shards")).unwrap();
    assert_eq!(halves.mapped_range("encoder.embeddings.token"), None);
}

#[test]
fn another_parameter_or_shape_is_refused() {
    let model = Pretrained::open(&model("bert")).unwrap();
    let error = |path, shape: &[usize]| model.parameter(path, shape).unwrap_err().to_string();
    assert!(error("head.other.weight", &[32, 32]).contains("there is no parameter `head.other.weight`"));
    assert!(error("head.dense.weight", &[32]).contains("has shape [32, 32], not [32]"));
    assert!(model.parameter_transposed("head.output.weight", [3, 32]).unwrap_err().to_string().contains("not [3, 32]"));
}

#[test]
fn what_is_saved_is_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    for fixture in models() {
        let model = Pretrained::open(&fixture).unwrap();
        save_parameters(&path, model.config(), read_parameters(&model).unwrap()).unwrap();
        assert!(tensors(&path) == tensors(&fixture.join("model.safetensors")), "{}", fixture.display());
    }
    let config = Pretrained::open(&model("bert")).unwrap();
    let foreign = vec![("encoder.other".to_owned(), FloatTensor::new(vec![1.0], [1]))];
    let error = save_parameters(&path, config.config(), foreign).unwrap_err().to_string();
    assert!(error.contains("`encoder.other` has no name in this family's table"), "{error}");
}

/// A kept output layer has the labels in the order that is asked for.
#[test]
fn a_kept_head_is_read_in_the_order_of_the_labels() {
    let stored = Pretrained::open(&model("bert")).unwrap();
    let labels: Vec<String> = stored.config().labels.iter().rev().cloned().collect();
    let from = StartFrom { head: StartHead::Keep, ..StartFrom::new(labels.clone(), 1) };
    let started = Pretrained::start(&model("bert"), &from).unwrap();
    assert_eq!(started.config().labels, labels);
    assert!(started.has("head.output.weight") && started.report().new.is_empty());
    let reversed = |values: Vec<f32>, width: usize| -> Vec<f32> {
        values.chunks(3 * width).flat_map(|row| row.chunks(width).rev().flatten().copied()).collect()
    };
    let (path, shape) = ("head.output.weight", [32, 3]);
    assert_eq!(started.parameter(path, &shape).unwrap(), reversed(stored.parameter(path, &shape).unwrap(), 1));
    let rows = stored.parameter_transposed(path, shape).unwrap();
    assert_eq!(started.parameter_transposed(path, shape).unwrap(), reversed(rows, 32));
    assert!(stored.mapped_range("head.output.bias").is_some() && started.mapped_range("head.output.bias").is_none());

    let other = StartFrom::new(vec!["one".to_owned(), "two".to_owned()], 1);
    let started = Pretrained::start(&model("bert"), &other).unwrap();
    assert!(!started.has("head.output.weight") && started.has("head.dense.weight"));
    assert!(started.parameter("head.output.weight", &[32, 2]).unwrap_err().to_string().contains("no parameter"));
}

/// The older keys of ModernBERT's configuration say the same.
#[test]
fn older_configurations_are_read_alike() {
    let mut found = 0;
    for fixture in models() {
        let Ok(text) = fs::read_to_string(fixture.join("config_v4.json")) else { continue };
        let Value::Object(values) = serde_json::from_str(&text).unwrap() else { panic!("an object") };
        let older = ModelConfig::new(&HubConfig::new(values), None).unwrap();
        assert_eq!(older, *Pretrained::open(&fixture).unwrap().config());
        found += 1;
    }
    assert!(found > 0);
}

/// The parameters of every family's network are those of its files: `open` refuses any other, and so does this.
#[test]
fn a_model_has_as_many_values_as_its_file() {
    for fixture in models() {
        let config = Pretrained::open(&fixture).unwrap().config().clone();
        let listed: usize = parameters(&config.network).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let stored: usize =
            tensors(&fixture.join("model.safetensors")).iter().map(|(_, tensor)| tensor.values.len()).sum();
        assert_eq!(listed, stored, "{}", fixture.display());
        assert_eq!(load(&fixture).unwrap().iter().map(|(_, tensor)| tensor.values.len()).sum::<usize>(), stored);
    }
}
