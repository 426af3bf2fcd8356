//! Valid files, damaged at random: a model or an error, never a panic, and no memory to speak of.
//!
//! `FIREBRAND_MUTATIONS` sets how many variants of each file are tried, `FIREBRAND_SEED` which. `fuzz/` looks deeper.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use firebrand_arch::Weights;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::{entries, load, models};
use crate::random::{Random, variable};
use crate::{forged, memory};

/// A golden file, under the name that it has in a model's directory.
struct Original {
    path: PathBuf,
    name: &'static str,
    bytes: Vec<u8>,
}

fn weights() -> Vec<Original> {
    let original = |path: PathBuf, name| Original { bytes: fs::read(&path).unwrap(), path, name };
    let mut originals: Vec<_> = models()
        .into_iter()
        .map(|directory| original(directory.join("model.safetensors"), "model.safetensors"))
        .collect();
    for path in entries("torch").into_iter().filter(|path| path.extension().is_some_and(|end| end == "bin")) {
        originals.push(original(path, "pytorch_model.bin"));
    }
    for path in entries("torch/shards").into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
        if !path.ends_with("config.json") {
            originals.push(original(path, "pytorch_model.bin.index.json"));
        }
    }
    originals
}

/// A place, as often near one of the ends, where headers are, as anywhere.
fn place(random: &mut Random, length: usize) -> usize {
    match random.below(3) {
        0 => random.below(length.min(512)),
        1 => length.saturating_sub(1 + random.below(length.min(1024))),
        _ => random.below(length),
    }
}

/// Damages a file once.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    const NUMBERS: [&[u8]; 8] =
        [b"0", b"-1", b"1e9", b"9999", b"10000000", b"4294967296", b"18446744073709551615", b"1e999"];
    let from = place(random, bytes.len());
    let to = (from + random.below(64)).min(bytes.len());
    match random.below(9) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => bytes.extend_from_within(from..to),
        3 => {
            let part = bytes[from..to].to_vec();
            let place = place(random, bytes.len());
            bytes.splice(place..place, part);
        }
        4 => bytes[from..to].fill([0x00, 0xff][random.below(2)]),
        5 => {
            // A number in a text, if one is near.
            let digit = bytes[from..].iter().position(u8::is_ascii_digit).map_or(from, |place| from + place);
            let end = bytes[digit..].iter().position(|byte| !byte.is_ascii_digit()).map_or(digit, |end| digit + end);
            bytes.splice(digit..end, NUMBERS[random.below(NUMBERS.len())].iter().copied());
        }
        6 => {
            // A little-endian number.
            let number = (random.next() >> random.below(64)).to_le_bytes();
            let to = (from + [1, 2, 4, 8][random.below(4)]).min(bytes.len());
            bytes[from..to].copy_from_slice(&number[..to - from]);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

/// Hands damaged variants of a file to `work`, which panics where one is not refused as it should be.
fn try_variants(original: &Original, count: u64, work: impl Fn(&[u8])) {
    let seed = variable("FIREBRAND_SEED", 1);
    for index in 0..variable("FIREBRAND_MUTATIONS", count) {
        let mut random = Random(seed ^ (index << 32) ^ original.bytes.len() as u64);
        let mut bytes = original.bytes.clone();
        for _ in 0..=random.below(3) {
            damage(&mut bytes, &mut random);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&bytes)));
        assert!(outcome.is_ok(), "variant {index} of {}, FIREBRAND_SEED={seed}", original.path.display());
    }
}

#[test]
fn damaged_weights() {
    let directory = tempfile::tempdir().unwrap();
    for original in weights() {
        let path = directory.path().join(original.name);
        try_variants(&original, 100, |bytes| {
            fs::write(&path, bytes).unwrap();
            let ((), peak) = memory::peak(|| {
                let Ok(weights) = Weights::open(directory.path()) else { return };
                for (name, shape) in weights.shapes() {
                    if let Ok(tensor) = weights.floats(&name) {
                        assert_eq!(tensor.shape, shape);
                        assert!(tensor.values.into_iter().all(f32::is_finite));
                    }
                }
            });
            assert!(peak <= 8 * bytes.len() + (1 << 20), "{peak} bytes were held for a file of {}", bytes.len());
        });
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn damaged_pickles() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pytorch_model.bin");
    for original in weights().into_iter().filter(|original| original.name == "pytorch_model.bin") {
        // The pickle is the first entry and begins like this; what follows it does not matter.
        let Some(start) = original.bytes.windows(2).position(|bytes| bytes == b"\x80\x02" || bytes == b"\x80\x04")
        else {
            continue;
        };
        let end = original.bytes.windows(4).position(|bytes| bytes == b"PK\x07\x08").unwrap_or(original.bytes.len());
        let pickle = Original { bytes: original.bytes[start..end.max(start)].to_vec(), ..original };
        try_variants(&pickle, 1000, |bytes| {
            fs::write(&path, forged::torch_file(bytes, &[0; 256])).unwrap();
            let (_, peak) = memory::peak(|| Weights::open(directory.path()).map(|weights| weights.shapes()));
            assert!(peak <= 8 * bytes.len() + (1 << 20), "{peak} bytes were held for a pickle of {}", bytes.len());
        });
    }
}

/// The most memory for a golden model, whatever its settings ask for.
const MODEL: usize = 8 << 20;

/// A golden model whose settings may be changed.
struct Model {
    original: PathBuf,
    copy: TempDir,
}

impl Model {
    fn all() -> impl Iterator<Item = Self> {
        models().into_iter().map(|original| {
            let copy = tempfile::tempdir().unwrap();
            fs::copy(original.join("model.safetensors"), copy.path().join("model.safetensors")).unwrap();
            Self { original, copy }
        })
    }

    fn settings(&self) -> Original {
        let path = self.original.join("config.json");
        Original { bytes: fs::read(&path).unwrap(), path, name: "config.json" }
    }

    fn load_with(&self, settings: &[u8]) {
        fs::write(self.copy.path().join("config.json"), settings).unwrap();
        let (_, peak) = memory::peak(|| load(self.copy.path()).map(|_| ()));
        assert!(peak <= MODEL, "{peak} bytes were held");
    }
}

#[test]
fn damaged_configurations() {
    for model in Model::all() {
        try_variants(&model.settings(), 100, |bytes| model.load_with(bytes));
    }
}

#[test]
fn absurd_configuration_values() {
    let absurd =
        [json!(0), json!(-1), json!(1000), json!(10_000_000), json!(1e300), json!("x"), json!([1, "x"]), json!({})];
    for model in Model::all() {
        let Value::Object(settings) = serde_json::from_slice(&model.settings().bytes).unwrap() else {
            panic!("an object")
        };
        for key in settings.keys() {
            for value in &absurd {
                let mut settings = settings.clone();
                settings.insert(key.clone(), value.clone());
                let text = Value::Object(settings).to_string();
                let outcome = catch_unwind(AssertUnwindSafe(|| model.load_with(text.as_bytes())));
                assert!(outcome.is_ok(), "`{key}` = {value} in {}", model.original.display());
            }
        }
    }
}
