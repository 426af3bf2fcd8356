//! Parity with the reference on the real all-MiniLM-L6-v2, where its weights are at hand: in `FIREBRAND_MINILM`, or in the
//! download cache below the workspace's `data/cache`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "says that the weights are not at hand")]

#[expect(dead_code, reason = "shared with the other golden tests, which use all of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use firebrand_model::{Batch, Classifier, ProblemType, StartFrom, device};
use support::{Rows, flat, golden, near, read_json};

#[test]
fn minilm_equals_the_reference() {
    let Some(directory) = weights() else {
        eprintln!("skipped: all-MiniLM-L6-v2 is neither in FIREBRAND_MINILM nor in data/cache");
        return;
    };
    let expected = read_json(&golden().join("minilm/embeddings.json"));
    let rows = Rows::new(&expected["inputs"]);
    let rows = rows.tokens();
    let classes = 5;
    let from = StartFrom {
        labels: (0..classes).map(|index| format!("LABEL_{index}")).collect(),
        problem: ProblemType::SingleLabelClassification,
        seed: 0,
        hidden_dropout: None,
        attention_dropout: None,
        classifier_dropout: None,
    };
    let device = device("flex").unwrap();
    let (mut classifier, report) = Classifier::start(&directory, &from, &device).unwrap();
    assert_eq!(report.new, ["classifier.weight", "classifier.bias"]);

    let batch = Batch::new(&rows, classifier.pad_token_id(), &device).unwrap();
    let states = classifier.network.encoder.forward(&batch, &mut None);
    let [_, length, hidden] = states.dims();
    let states = states.into_data().try_to_vec::<f32>().unwrap();
    for (index, (row, expected)) in rows.iter().zip(expected["embeddings"].as_array().unwrap()).enumerate() {
        let real = &states[index * length * hidden..][..row.ids.len() * hidden];
        let mean = |column: usize| -> f32 {
            let sum: f64 = real.iter().skip(column).step_by(hidden).map(|&value| f64::from(value)).sum();
            (sum / row.ids.len() as f64) as f32
        };
        let means: Vec<f32> = (0..hidden).map(mean).collect();
        near(&flat(expected), &means, 1e-5, &format!("embedding {index}"));
    }

    // The head of the fixture: weight[i][j] = sin(i * 384 + j) * 0.02, bias[i] = 0.01 * i; ours lies transposed.
    let expected = read_json(&golden().join("minilm/classifier.json"));
    let weight: Vec<f32> = (0..hidden * classes)
        .map(|place| (((place % classes) * hidden + place / classes) as f64).sin() * 0.02)
        .map(|value| value as f32)
        .collect();
    let bias: Vec<f32> = (0..classes).map(|index| (0.01 * index as f64) as f32).collect();
    let output = &mut classifier.network.head.output;
    let weight = Tensor::<2>::from_data(TensorData::new(weight, [hidden, classes]), &device);
    output.weight = Param::from_tensor(weight);
    output.bias = Some(Param::from_tensor(Tensor::<1>::from_data(TensorData::new(bias, [classes]), &device)));
    let logits = classifier.logits(&rows, 2, &mut |_| ()).unwrap();
    near(&flat(&expected["logits"]), &logits.concat(), 1e-5, "logits");
}

/// Where the weights are: a directory with its name and `model.safetensors` in it.
fn weights() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("FIREBRAND_MINILM") {
        return Some(PathBuf::from(directory));
    }
    find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cache/unpacked"), 8)
}

fn find(directory: &Path, depth: u32) -> Option<PathBuf> {
    let name = directory.to_string_lossy().to_lowercase().replace('_', "-");
    if name.contains("all-minilm-l6-v2") && directory.join("model.safetensors").is_file() {
        return Some(directory.to_owned());
    }
    let mut below: Vec<PathBuf> = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    below.sort();
    below.into_iter().filter(|path| depth > 0 && path.is_dir()).find_map(|path| find(&path, depth - 1))
}
