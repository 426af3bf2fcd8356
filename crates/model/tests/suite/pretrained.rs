//! Parity with the reference on real weights, where they are at hand: in the directory that an environment variable names, or
//! in the download cache below the workspace's `data/cache`.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use firebrand_arch::StartFrom;
use firebrand_model::{Batch, Classifier, device};
use serde_json::Value;

use crate::support::{Rows, flat, golden, near, read_json};

#[test]
fn minilm_equals_the_reference() {
    let Some(directory) = weights("FIREBRAND_MINILM", "all-minilm-l6-v2") else { return };
    let expected = read_json(&golden().join("minilm/embeddings.json"));
    let (mut classifier, rows) = same_embeddings(&directory, &expected, 1e-5);

    // The head of the fixture: weight[i][j] = sin(i * 384 + j) * 0.02, bias[i] = 0.01 * i; ours lies transposed.
    let expected = read_json(&golden().join("minilm/classifier.json"));
    let [hidden, classes] = classifier.network.head.output.weight.val().dims();
    let weight: Vec<f32> = (0..hidden * classes)
        .map(|place| (((place % classes) * hidden + place / classes) as f64).sin() * 0.02)
        .map(|value| value as f32)
        .collect();
    let bias: Vec<f32> = (0..classes).map(|index| (0.01 * index as f64) as f32).collect();
    let device = classifier.device();
    let output = &mut classifier.network.head.output;
    let weight = Tensor::<2>::from_data(TensorData::new(weight, [hidden, classes]), &device);
    output.weight = Param::from_tensor(weight);
    output.bias = Some(Param::from_tensor(Tensor::<1>::from_data(TensorData::new(bias, [classes]), &device)));
    let logits = classifier.logits(&rows.tokens(), 2, &mut |_| ()).unwrap();
    near(&flat(&expected["logits"]), &logits.concat(), 1e-5, "logits");
}

#[test]
fn mpnet_equals_the_reference() {
    let Some(directory) = weights("FIREBRAND_MPNET", "all-mpnet-base-v2") else { return };
    same_embeddings(&directory, &read_json(&golden().join("mpnet/embeddings.json")), 1e-5);
}

/// The means of the last hidden states over the tokens, as far as the fixture has them.
fn same_embeddings(directory: &Path, expected: &Value, tolerance: f64) -> (Classifier, Rows) {
    let rows = Rows::new(&expected["inputs"]);
    let device = device("flex").unwrap();
    let from = StartFrom::new((0..5).map(|index| format!("LABEL_{index}")).collect(), 0);
    let (classifier, report) = Classifier::start(directory, &from, &device).unwrap();
    assert!(report.new.iter().all(|name| name.starts_with("classifier.")), "{report:?}");

    let tokens = rows.tokens();
    let batch = Batch::new(&tokens, classifier.pad_token_id(), &device).unwrap();
    let states = classifier.network.encoder.hidden_states(&batch).pop().unwrap();
    let [_, length, hidden] = states.dims();
    let states = states.into_data().try_to_vec::<f32>().unwrap();
    for (index, (row, expected)) in tokens.iter().zip(expected["embeddings"].as_array().unwrap()).enumerate() {
        let real = &states[index * length * hidden..][..row.ids.len() * hidden];
        let mean = |column: usize| -> f32 {
            let sum: f64 = real.iter().skip(column).step_by(hidden).map(|&value| f64::from(value)).sum();
            (sum / row.ids.len() as f64) as f32
        };
        let expected = flat(expected);
        let means: Vec<f32> = (0..expected.len()).map(mean).collect();
        near(&expected, &means, tolerance, &format!("embedding {index}"));
    }
    (classifier, rows)
}

/// Where the weights are: a directory with its name and `model.safetensors` in it.
fn weights(variable: &str, name: &str) -> Option<PathBuf> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cache/unpacked");
    let found = std::env::var_os(variable).map(PathBuf::from).or_else(|| find(&cache, name, 8));
    if found.is_none() {
        eprintln!("skipped: {name} is neither in {variable} nor in data/cache");
    }
    found
}

fn find(directory: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    let path = directory.to_string_lossy().to_lowercase().replace('_', "-");
    if path.contains(name) && directory.join("model.safetensors").is_file() {
        return Some(directory.to_owned());
    }
    let mut below: Vec<PathBuf> = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    below.sort();
    below.into_iter().filter(|path| depth > 0 && path.is_dir()).find_map(|path| find(&path, name, depth - 1))
}
