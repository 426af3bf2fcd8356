//! Golden fixtures, their rows, and comparisons: what the tests of every crate that computes a model share. Without Burn.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_arch::Tokens;
use serde_json::Value;

/// A model with what the reference says about it.
pub(crate) struct Fixture {
    pub(crate) directory: PathBuf,
    pub(crate) expected: Value,
}

/// The directory of golden files: `FIREBRAND_GOLDEN`, or the one among the tests of `model`.
pub(crate) fn golden() -> PathBuf {
    match std::env::var_os("FIREBRAND_GOLDEN") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden"),
    }
}

/// Every fixture of `models/`.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let root = golden().join("models");
    let mut directories: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    assert!(!directories.is_empty(), "{} has no fixtures", root.display());
    let read = |directory: PathBuf| Fixture { expected: read_json(&directory.join("expected.json")), directory };
    directories.into_iter().map(read).collect()
}

impl Fixture {
    /// Whether the reference counted positions over the padding on the left (GPT-2's, unless it is told otherwise). Then only
    /// its answers for rows by themselves can be equal to ours.
    pub(crate) fn positions_count_padding(&self) -> bool {
        self.expected.get("position_ids_note").is_some()
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

#[track_caller]
pub(crate) fn near(expected: &[f64], found: &[f32], tolerance: f64, what: &str) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (place, (&expected, &found)) in expected.iter().zip(found).enumerate() {
        let distance = (expected - f64::from(found)).abs();
        assert!(distance <= tolerance, "{what}[{place}]: expected {expected}, found {found}, {distance:e} apart");
    }
}
