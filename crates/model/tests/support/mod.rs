//! What the golden tests of this crate and of `train` share: fixtures, their rows, and comparisons.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrand_model::{Classifier, Tokens, device};
use serde_json::Value;

/// Every CPU device that this project knows.
pub(crate) use firebrand_model::CPU_DEVICES as DEVICES;

/// A model with what the reference says about it.
pub(crate) struct Fixture {
    pub(crate) directory: PathBuf,
    pub(crate) expected: Value,
}

/// The directory of golden files: `FIREBRAND_GOLDEN`, or the one beside the tests of `model`.
pub(crate) fn golden() -> PathBuf {
    match std::env::var_os("FIREBRAND_GOLDEN") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden"),
    }
}

/// Calls a check with every fixture of `models/` that a known family can read, on every CPU device.
pub(crate) fn for_each_fixture(mut check: impl FnMut(&Fixture, &Device)) {
    let root = golden().join("models");
    let mut directories: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    assert!(!directories.is_empty(), "{} has no fixtures", root.display());
    for directory in directories {
        let fixture = Fixture { expected: read_json(&directory.join("expected.json")), directory };
        for name in DEVICES {
            eprintln!("{} on {name}", fixture.directory.display());
            check(&fixture, &device(name).unwrap());
        }
    }
}

impl Fixture {
    /// The classifier, recording gradients.
    pub(crate) fn classifier(&self, device: &Device) -> Classifier {
        Classifier::load(&self.directory, &device.clone().autodiff()).unwrap()
    }

    /// The room that float32 needs, as measured by the reference against its own float64 copy.
    pub(crate) fn tolerance(&self) -> f64 {
        match self.expected["max_abs_float32_minus_float64"].as_f64() {
            Some(distance) => (2.0 * distance).max(2e-5),
            // The reference has no float64 copy of ModernBERT, whose rounding grows with its depth: 1.5e-5 was found by hand
            // for seven layers, which makes 2e-5 right for three.
            None => {
                let config = read_json(&self.directory.join("config.json"));
                2e-5 * (config["num_hidden_layers"].as_f64().unwrap() / 3.0).max(1.0)
            }
        }
    }

    /// Whether the reference counted positions over the padding on the left (GPT-2's, unless it is told otherwise). Then only
    /// its answers for rows by themselves can be equal to ours.
    pub(crate) fn positions_count_padding(&self) -> bool {
        self.expected.get("position_ids_note").is_some()
    }

    /// Each row's labels: one, or any number where the fixture has 0 or 1 for each label.
    pub(crate) fn labels(&self) -> Vec<Vec<u32>> {
        let row = |row: &Value| match row.as_array() {
            Some(flags) => (0..).zip(flags).filter(|(_, flag)| flag.as_f64() == Some(1.0)).map(|(at, _)| at).collect(),
            None => vec![u32::try_from(row.as_u64().unwrap()).unwrap()],
        };
        self.expected["labels"].as_array().unwrap().iter().map(row).collect()
    }

    pub(crate) fn rows(&self) -> Rows {
        Rows::new(&self.expected["inputs"])
    }
}

/// Rows of tokens without the padding that the fixtures have.
pub(crate) struct Rows {
    ids: Vec<Vec<u32>>,
    type_ids: Vec<Vec<u32>>,
}

impl Rows {
    /// From `{"input_ids": …, "attention_mask": …, "token_type_ids": …}`.
    pub(crate) fn new(inputs: &Value) -> Self {
        let field = |name: &str| -> Option<Vec<Vec<u32>>> {
            inputs.get(name).map(|value| serde_json::from_value(value.clone()).unwrap())
        };
        let mask = field("attention_mask").unwrap();
        let real = |rows: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
            let keep = |(row, mask): (Vec<u32>, &Vec<u32>)| {
                row.into_iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| id).collect()
            };
            rows.into_iter().zip(&mask).map(keep).collect()
        };
        let ids = real(field("input_ids").unwrap());
        let zeros = || ids.iter().map(|row| vec![0; row.len()]).collect();
        let type_ids = field("token_type_ids").map(real).unwrap_or_else(zeros);
        Self { ids, type_ids }
    }

    pub(crate) fn tokens(&self) -> Vec<Tokens<'_>> {
        self.ids.iter().zip(&self.type_ids).map(|(ids, type_ids)| Tokens { ids, type_ids }).collect()
    }
}

pub(crate) fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// All numbers of a nested list, in order.
pub(crate) fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

pub(crate) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[track_caller]
pub(crate) fn near(expected: &[f64], found: &[f32], tolerance: f64, what: &str) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (place, (&expected, &found)) in expected.iter().zip(found).enumerate() {
        let distance = (expected - f64::from(found)).abs();
        assert!(distance <= tolerance, "{what}[{place}]: expected {expected}, found {found}, {distance:e} apart");
    }
}
