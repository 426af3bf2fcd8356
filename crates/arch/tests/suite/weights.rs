//! The weights of a directory, whichever way they are stored: files of torch, and models in several files.

use std::collections::BTreeMap;
use std::fs;

use firebrand_arch::{FloatTensor, SafetensorsFile, Weights};
use half::{bf16, f16};
use tempfile::TempDir;

use crate::files::{golden, load, model, tensors, write};
use crate::forged;

/// Numbers of the model that the files of torch were made of.
fn original(name: &str) -> Vec<f32> {
    let file = SafetensorsFile::read(&model("bert").join("model.safetensors")).unwrap();
    file.floats(name).unwrap().values
}

/// A file of torch as the weights of a directory.
fn open(name: &str) -> Result<Weights, String> {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(golden().join("torch").join(name), directory.path().join("pytorch_model.bin")).unwrap();
    Weights::open(directory.path()).map_err(|error| error.to_string())
}

#[test]
fn every_kind_of_float_is_read() {
    type Rounding = fn(f32) -> f32;
    let kinds: [(&str, Rounding); 5] = [
        ("float64.bin", |value| value),
        ("float32.bin", |value| value),
        ("protocol4.bin", |value| value),
        ("float16.bin", |value| f16::from_f32(value).to_f32()),
        ("bfloat16.bin", |value| bf16::from_f32(value).to_f32()),
    ];
    for (file, rounded) in kinds {
        let weights = open(file).unwrap();
        let shapes = weights.shapes();
        assert_eq!(shapes.len(), 3, "{file}");
        assert_eq!(shapes["classifier.weight"], [3, 32]);
        for name in shapes.keys() {
            let expected: Vec<f32> = original(name).into_iter().map(rounded).collect();
            assert_eq!(weights.floats(name).unwrap().values, expected, "{name} of {file}");
        }
    }
}

#[test]
fn parameters_of_a_module_are_tensors() {
    let weights = open("module.bin").unwrap();
    assert_eq!(weights.floats("weight").unwrap().values, original("classifier.weight"));
    assert_eq!(weights.floats("bias").unwrap().values, original("classifier.bias"));
}

#[test]
fn tensors_may_share_a_storage_and_lie_in_it_in_any_order() {
    let weights = open("views.bin").unwrap();
    let whole = original("classifier.weight");
    let take = |rows: &mut dyn Iterator<Item = (usize, usize)>| -> Vec<f32> {
        rows.map(|(row, column)| whole[row * 32 + column]).collect()
    };
    let pairs = |rows: std::ops::Range<usize>, columns: Vec<usize>| {
        rows.flat_map(move |row| columns.clone().into_iter().map(move |column| (row, column)))
    };
    let expected: [(&str, &[usize], Vec<f32>); 6] = [
        ("tied", &[3, 32], whole.clone()),
        ("transposed", &[32, 3], take(&mut pairs(0..32, (0..3).collect()).map(|(row, column)| (column, row)))),
        ("rows", &[2, 32], take(&mut pairs(1..3, (0..32).collect()))),
        ("columns", &[3, 16], take(&mut pairs(0..3, (1..32).step_by(2).collect()))),
        ("scalar", &[], vec![whole[0]]),
        ("empty", &[0, 32], vec![]),
    ];
    for (name, shape, values) in expected {
        assert_eq!(weights.floats(name).unwrap(), FloatTensor::new(values, shape), "{name}");
    }
    assert_eq!(weights.shapes()["ids"], [1, 9]);
    for (name, kind) in [("ids", "int64"), ("mask", "bool")] {
        let error = weights.floats(name).unwrap_err().to_string();
        assert!(error.contains(&format!("tensor `{name}` holds {kind}, expected floats")), "{error}");
    }
}

#[test]
fn an_archive_with_sizes_of_64_bits_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let pickle = forged::dictionary(&[("a", forged::tensor(forged::storage("FloatStorage", "0", 3), 1, &[2], &[1]))]);
    let storage = [1.0f32, 2.0, 3.0].map(f32::to_le_bytes).concat();
    let entries: [(&str, &[u8]); 3] = [("data.pkl", &pickle), ("byteorder", b"little"), ("data/0", &storage)];
    for bytes in [forged::archive(&entries), forged::archive64(&entries)] {
        fs::write(directory.path().join("pytorch_model.bin"), bytes).unwrap();
        let weights = Weights::open(directory.path()).unwrap();
        assert_eq!(weights.floats("a").unwrap(), FloatTensor::new(vec![2.0, 3.0], [2]));
    }
}

#[test]
fn other_files_of_torch_are_refused_with_a_hint() {
    let old = open("old.bin").unwrap_err();
    assert!(old.contains("before 1.6") && old.contains("hint: load and save it once with a newer torch"), "{old}");
    let training = open("training.bin").unwrap_err();
    assert!(training.contains("`model` is a dictionary, expected a tensor"), "{training}");
}

#[test]
fn a_model_in_two_files_of_torch_is_the_same_model() {
    let mut expected = load(&model("bert")).unwrap();
    for (_, tensor) in &mut expected {
        tensor.values.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
    }
    assert_eq!(load(&golden().join("torch/shards")).unwrap(), expected);
}

/// The golden model in two safetensors files, with an index that may be changed.
fn shards(change: impl FnOnce(&mut BTreeMap<String, String>)) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let source = model("bert");
    fs::copy(source.join("config.json"), directory.path().join("config.json")).unwrap();
    let all = tensors(&source.join("model.safetensors"));
    let mut index = BTreeMap::new();
    for shard in 0..2 {
        let name = format!("model-{:05}-of-00002.safetensors", shard + 1);
        let tensors: Vec<_> = all.iter().skip(shard).step_by(2).cloned().collect();
        index.extend(tensors.iter().map(|(tensor, _)| (tensor.clone(), name.clone())));
        write(&directory.path().join(name), &tensors);
    }
    change(&mut index);
    let text = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": index}).to_string();
    fs::write(directory.path().join("model.safetensors.index.json"), text).unwrap();
    directory
}

#[test]
fn a_model_in_two_safetensors_files_is_the_same_model() {
    let directory = shards(|_| ());
    assert_eq!(load(directory.path()).unwrap(), load(&model("bert")).unwrap());
    // What the index forgets is read, and must have its place, all the same.
    let forgetful = shards(|index| drop(index.remove("classifier.bias")));
    assert_eq!(Weights::open(forgetful.path()).unwrap().shapes(), Weights::open(directory.path()).unwrap().shapes());
}

#[test]
fn an_index_that_contradicts_its_files_is_rejected() {
    const FIRST: &str = "model-00001-of-00002.safetensors";
    const SECOND: &str = "model-00002-of-00002.safetensors";
    let refused = |directory: TempDir| Weights::open(directory.path()).unwrap_err().to_string();

    let swapped = refused(shards(|index| {
        let holder = index.get_mut("classifier.bias").unwrap();
        *holder = if holder == FIRST { SECOND.into() } else { FIRST.into() };
    }));
    assert!(swapped.contains("`classifier.bias` should be in") && swapped.contains("but is in"), "{swapped}");

    let invented = refused(shards(|index| drop(index.insert("more".into(), FIRST.into()))));
    assert!(invented.contains(&format!("`more` should be in `{FIRST}`, but is not")), "{invented}");

    let outside = refused(shards(|index| drop(index.insert("more".into(), "../model.safetensors".into()))));
    assert!(outside.contains("\"../model.safetensors\": expected one in the same directory"), "{outside}");

    let missing = shards(|_| ());
    fs::remove_file(missing.path().join(SECOND)).unwrap();
    assert!(refused(missing).contains(SECOND));

    let doubled = shards(|_| ());
    fs::copy(doubled.path().join(FIRST), doubled.path().join(SECOND)).unwrap();
    let doubled = refused(doubled);
    assert!(doubled.contains(&format!("both `{FIRST}` and `{SECOND}` hold")), "{doubled}");
}

#[test]
fn safetensors_are_preferred_and_missing_weights_name_the_candidates() {
    let directory = tempfile::tempdir().unwrap();
    let error = Weights::open(directory.path()).unwrap_err().to_string();
    for name in [
        "`model.safetensors`",
        "`model.safetensors.index.json`",
        "`pytorch_model.bin`",
        "`pytorch_model.bin.index.json`",
    ] {
        assert!(error.contains(name), "{error}");
    }
    fs::copy(golden().join("torch/old.bin"), directory.path().join("pytorch_model.bin")).unwrap();
    fs::copy(model("bert").join("model.safetensors"), directory.path().join("model.safetensors")).unwrap();
    assert!(Weights::open(directory.path()).unwrap().path().ends_with("model.safetensors"));
}

#[test]
fn a_git_lfs_pointer_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 440449768\n";
    for name in ["pytorch_model.bin", "model.safetensors"] {
        fs::write(directory.path().join(name), pointer).unwrap();
        let error = Weights::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("git lfs pull"), "{error}");
    }
}
