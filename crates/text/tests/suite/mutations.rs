//! SentencePiece models, damaged at random: a tokenizer or an error, never a panic.
//!
//! `FIREBRAND_MUTATIONS` sets how many variants of each file are tried, `FIREBRAND_SEED` which. `fuzz/` looks deeper.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::random::{Random, variable};
use crate::reads;

fn models() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizers");
    let mut models: Vec<_> = fs::read_dir(golden)
        .unwrap()
        .flat_map(|directory| fs::read_dir(directory.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "model"))
        .collect();
    models.sort();
    models
}

/// Damages a file once. Settings and the charsmap lie at its end.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let from = match random.below(2) {
        0 => random.below(bytes.len()),
        _ => bytes.len().saturating_sub(1 + random.below(1500)),
    };
    let to = (from + random.below(16)).min(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => bytes.extend_from_within(from..to),
        3 => bytes[from..to].fill([0x00, 0xff][random.below(2)]),
        4 => {
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

#[test]
fn damaged_models() {
    let seed = variable("FIREBRAND_SEED", 1);
    let (mut read, mut refused) = (0, 0);
    for path in models() {
        let original = fs::read(&path).unwrap();
        // The one with the largest charsmap takes a hundred times as long to check.
        let count = if original.len() > 100_000 { 20 } else { 300 };
        for index in 0..variable("FIREBRAND_MUTATIONS", count) {
            let mut random = Random(seed ^ (index << 32) ^ original.len() as u64);
            let mut bytes = original.clone();
            for _ in 0..=random.below(3) {
                damage(&mut bytes, &mut random);
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| reads::read(random.below(reads::FAMILIES.len()), &bytes)));
            match outcome {
                Ok(true) => read += 1,
                Ok(false) => refused += 1,
                Err(_) => panic!("variant {index} of {}, FIREBRAND_SEED={seed}", path.display()),
            }
        }
    }
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}
