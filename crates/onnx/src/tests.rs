//! The written files, decoded: whether they are graphs at all, and what they hold.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use firebrand_arch::{ModelConfig, Pretrained, parameters};
use prost::Message;
use serde_json::{Value, json};

use super::*;
use crate::proto::{DataType, GraphProto, TensorProto};
use crate::tests::fixtures::{Fixture, fixtures};

#[path = "../../model/tests/support/fixtures.rs"]
#[expect(dead_code, reason = "the tests of other crates use more of it")]
mod fixtures;

fn decode(path: &Path) -> ModelProto {
    ModelProto::decode(&fs::read(path).unwrap()[..]).unwrap()
}

/// Every fixture in every precision.
fn for_all(check: impl Fn(&Fixture, Precision, &ModelProto, &GraphProto)) {
    for fixture in fixtures() {
        let directory = tempfile::tempdir().unwrap();
        for precision in Precision::ALL {
            let files = write(&fixture.directory, directory.path(), precision, &Options::default()).unwrap();
            assert_eq!(files.len(), 1);
            assert_eq!(files[0].bytes, fs::metadata(&files[0].path).unwrap().len());
            let model = decode(&files[0].path);
            check(&fixture, precision, &model, model.graph.as_ref().unwrap());
        }
        let names: HashSet<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "nothing else is left: {names:?}");
    }
}

fn size_of(kind: i32) -> usize {
    [(DataType::Float32, 4), (DataType::Float16, 2), (DataType::Int8, 1), (DataType::Int64, 8)]
        .into_iter()
        .find(|&(known, _)| known as i32 == kind)
        .unwrap()
        .1
}

fn elements(tensor: &TensorProto) -> usize {
    tensor.dims.iter().product::<i64>() as usize
}

#[test]
fn every_input_exists_before_it_is_read_and_names_are_unique() {
    for_all(|fixture, precision, model, graph| {
        let what = format!("{} in {precision}", fixture.directory.display());
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
        let mut known: HashSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        for tensor in &graph.initializer {
            assert!(known.insert(&tensor.name), "{what}: {} twice", tensor.name);
            let bytes = tensor.raw_data.as_ref().unwrap().len();
            assert_eq!(bytes, elements(tensor) * size_of(tensor.data_type), "{what}: {}", tensor.name);
        }
        let mut names = HashSet::new();
        let mut read = HashSet::new();
        for node in &graph.node {
            assert!(names.insert(&node.name), "{what}: two nodes are called {}", node.name);
            for input in &node.input {
                assert!(known.contains(input.as_str()), "{what}: {} reads {input}, which is not there yet", node.name);
                read.insert(input.as_str());
            }
            for output in &node.output {
                assert!(known.insert(output), "{what}: {output} is made twice");
            }
        }
        for output in &graph.output {
            assert!(known.contains(output.name.as_str()), "{what}: nothing makes {}", output.name);
            read.insert(&output.name);
        }
        let unread: Vec<_> = known.difference(&read).collect();
        assert!(unread.is_empty(), "{what}: nothing reads {unread:?}");
    });
}

#[test]
fn every_parameter_is_there_in_its_shape() {
    for_all(|fixture, precision, _, graph| {
        let (_, config) = ModelConfig::read(&fixture.directory).unwrap();
        let shapes: HashMap<&str, &[i64]> =
            graph.initializer.iter().map(|tensor| (tensor.name.as_str(), &tensor.dims[..])).collect();
        for (path, shape) in parameters(&config.network) {
            let shape: Vec<i64> = shape.into_iter().map(|size| size as i64).collect();
            let found = shapes.get(path.as_str()).or_else(|| shapes.get(format!("{path}.int8").as_str()));
            // Constants are made of tables and biases of distances, and segments; the vector for masked tokens is not needed.
            let is_derived = ["distance", "_bias", "segment", "embeddings.mask"].iter().any(|part| path.contains(part));
            match found {
                Some(found) => assert_eq!(*found, shape, "{path} in {precision}"),
                None => assert!(is_derived, "{}: there is no {path} in {precision}", fixture.directory.display()),
            }
        }
    });
}

#[test]
fn metadata_and_the_interface_say_what_the_model_is() {
    for_all(|fixture, precision, model, graph| {
        let (_, config) = ModelConfig::read(&fixture.directory).unwrap();
        let metadata: HashMap<&str, &str> =
            model.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
        let id2label: Value = serde_json::from_str(metadata["id2label"]).unwrap();
        for (index, label) in config.labels.iter().enumerate() {
            assert_eq!(id2label[index.to_string()], json!(label));
        }
        assert_eq!(metadata["family"], config.family.name());
        assert_eq!(metadata["precision"], precision.to_string());
        let name = fixture.directory.file_name().unwrap().to_string_lossy();
        let pooling = match &*name {
            "modernbert-mean" => "mean",
            name if name.starts_with("gpt2") || name == "xlnet" => "last",
            _ => "first",
        };
        assert_eq!(metadata["pooling"], pooling, "{name}");
        assert_eq!(metadata["problem_type"].starts_with("multi"), name.ends_with("multilabel"), "{name}");

        let inputs: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        let has_types = fixture.expected["inputs"].get("token_type_ids").is_some();
        assert_eq!(inputs[..2], ["input_ids", "attention_mask"]);
        assert_eq!(inputs.get(2), has_types.then_some(&"token_type_ids"), "{name}");
        let [logits] = &graph.output[..] else { panic!("one output") };
        let tensor = logits.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
        assert_eq!((logits.name.as_str(), tensor.elem_type), ("logits", DataType::Float32 as i32));
        let dimensions = &tensor.shape.as_ref().unwrap().dim;
        assert_eq!(dimensions[0].dim_param.as_deref(), Some("batch_size"));
        assert_eq!(dimensions[1].dim_value, Some(config.labels.len() as i64));
    });
}

#[test]
fn int8_weights_are_those_of_the_int8_checkpoint() {
    for_all(|fixture, precision, _, graph| {
        if precision != Precision::Int8 {
            return;
        }
        let model = Pretrained::open(&fixture.directory).unwrap();
        let hidden = model.config().network.encoder.hidden;
        let path = "encoder.layers.0.attention.query.weight";
        let floats = model.parameter_transposed(path, [hidden, hidden]).unwrap();
        let expected = firebrand_arch::Int8Matrix::quantize(&floats, hidden);
        let bytes = |name: &str| {
            let tensor = graph.initializer.iter().find(|tensor| tensor.name == format!("{path}.{name}")).unwrap();
            tensor.raw_data.clone().unwrap()
        };
        let (weight, scales) = (bytes("int8"), bytes("scale"));
        for (place, value) in expected.values.iter().enumerate() {
            let (output, input) = (place / hidden, place % hidden);
            assert_eq!(weight[input * hidden + output] as i8, *value);
        }
        let scales: Vec<f32> = scales.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        assert_eq!(scales, expected.scales);
    });
}

#[test]
fn half_precision_keeps_the_head_in_single_precision() {
    for_all(|fixture, precision, _, graph| {
        if precision != Precision::Fp16 {
            return;
        }
        for tensor in graph.initializer.iter().filter(|tensor| tensor.data_type == DataType::Float32 as i32) {
            let single = ["head.", "scalar.float32.", "rotary.", "sinusoids."];
            let name = &tensor.name;
            assert!(single.iter().any(|start| name.starts_with(start)), "{}: {name}", fixture.directory.display());
        }
        let head = graph.initializer.iter().find(|tensor| tensor.name == "head.output.weight").unwrap();
        assert_eq!(head.data_type, DataType::Float32 as i32);
    });
}

#[test]
fn shared_layers_have_their_parameters_once() {
    for_all(|fixture, _, _, graph| {
        if !fixture.directory.ends_with("albert") {
            return;
        }
        assert!(graph.node.iter().any(|node| node.name.starts_with("layers.1.attention/")));
        assert!(!graph.initializer.iter().any(|tensor| tensor.name.starts_with("encoder.layers.1.")));
    });
}

#[test]
fn large_constants_go_to_another_file_and_come_back() {
    for fixture in fixtures() {
        let directory = tempfile::tempdir().unwrap();
        let write = |limit| {
            let options = Options { single_file_limit: limit };
            write(&fixture.directory, directory.path(), Precision::Fp32, &options).unwrap()
        };
        let whole = decode(&write(u64::MAX)[0].path).graph.unwrap();
        let files = write(10_000);
        let [model, data] = &files[..] else { panic!("two files, not {files:?}") };
        assert!(data.path.ends_with("model.onnx_data"));
        let bytes = fs::read(&data.path).unwrap();
        assert_eq!(bytes.len() as u64, data.bytes);
        let split = decode(&model.path).graph.unwrap();
        assert_eq!(split.node, whole.node);
        let mut moved = 0;
        for (split, whole) in split.initializer.iter().zip(&whole.initializer) {
            if split.raw_data.is_some() {
                assert_eq!(split, whole);
                continue;
            }
            moved += 1;
            let entry = |key: &str| split.external_data.iter().find(|entry| entry.key == key).unwrap().value.as_str();
            assert_eq!((entry("location"), split.data_location), ("model.onnx_data", Some(1)));
            let (offset, length): (usize, usize) = (entry("offset").parse().unwrap(), entry("length").parse().unwrap());
            assert!(offset.is_multiple_of(4096));
            assert_eq!(bytes[offset..][..length], whole.raw_data.as_ref().unwrap()[..]);
        }
        assert!(moved > 5);
        // A smaller model in the same place leaves no constants of the larger one.
        assert_eq!(write(u64::MAX).len(), 1);
        assert!(!data.path.exists());
    }
}

#[test]
fn what_is_not_a_classifier_is_refused_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let ask = |precision| write(directory.path(), &directory.path().join("onnx"), precision, &Options::default());
    for precision in Precision::ALL {
        let error = ask(precision).unwrap_err().render();
        assert!(error.contains("cannot load the model in") && error.contains("hint: "), "{error}");
        assert!(!directory.path().join("onnx").exists());
    }
    assert!("fp8".parse::<Precision>().unwrap_err().render().contains("`fp32`, `fp16` and `int8`"));
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let fixture = fixtures().into_iter().next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    // A directory of that name cannot be replaced.
    fs::create_dir(directory.path().join("model.onnx")).unwrap();
    let error = write(&fixture.directory, directory.path(), Precision::Fp32, &Options::default()).unwrap_err().render();
    assert!(error.contains("cannot write") && error.contains("model.onnx"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
