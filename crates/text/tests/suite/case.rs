//! A tokenizer beside what the reference implementation made of the fixtures' strings.

use std::path::PathBuf;

use firebrand_text::{Encoded, Side, TextTokenizer};
use serde_json::{Value, json};

pub(crate) struct Case {
    source: PathBuf,
    expected: Value,
    /// Cuts nothing.
    whole: TextTokenizer,
    /// By the length that they cut to.
    cutting: [(usize, TextTokenizer); 2],
}

impl Case {
    pub(crate) fn new(source: PathBuf, expected: Value) -> Self {
        let tokenizer = |length: usize| TextTokenizer::read(&source, Some(length)).unwrap();
        let whole = tokenizer(100_000);
        let cutting = [128, 16].map(|length| (length, tokenizer(length)));
        Self { source, expected, whole, cutting }
    }

    /// Compares everything that the fixture has.
    pub(crate) fn check(&self) {
        self.check_singles();
        self.check_pairs();
        self.check_batch();
    }

    pub(crate) fn list(&self, name: &str) -> &Vec<Value> {
        let list = self.expected[name].as_array().unwrap();
        assert!(!list.is_empty(), "{name} is empty");
        list
    }

    fn check_singles(&self) {
        let mut truncated = 0;
        for single in self.list("singles") {
            let text = single["text"].as_str().unwrap();
            let full = self.whole.encode(text).unwrap();
            self.same(&full, &single["full"], text);
            assert_eq!(full.cut, 0);
            // Where the fixture has no truncated answer, the text is short enough to be whole.
            for (length, tokenizer) in &self.cutting {
                let cut = tokenizer.encode(text).unwrap();
                let expected = single["truncated"].get(length.to_string());
                truncated += usize::from(expected.is_some());
                assert_eq!(json!(cut.ids), *expected.unwrap_or(&json!(full.ids)), "{text:?} at {length}");
                assert_eq!(cut.ids.len() + cut.cut as usize, full.ids.len(), "{text:?} at {length}");
            }
        }
        assert!(truncated > 0, "no text of the fixture was cut");
    }

    fn check_pairs(&self) {
        let (mut whole, mut cut) = (0, 0);
        for pair in self.list("pairs") {
            let [first, second] = ["a", "b"].map(|side| pair[side].as_str().unwrap());
            // Of the longest pair the fixture has only what is left after truncation.
            let full = self.whole.encode_pair(first, second).unwrap();
            if let Some(expected) = pair.get("full") {
                self.same(&full, expected, first);
                whole += 1;
            }
            for (length, tokenizer) in &self.cutting {
                let found = tokenizer.encode_pair(first, second).unwrap();
                self.same(&found, &pair["truncated"][length.to_string()], first);
                assert_eq!(found.ids.len() + found.cut as usize, full.ids.len(), "{first:?} at {length}");
                cut += usize::from(found.cut > 0);
            }
        }
        assert!(whole > 0 && cut > 0, "{whole} whole pairs, {cut} cut ones");
    }

    /// Pads as the tokenizer's files say: ids, type ids and masks must then be those of the fixture.
    fn check_batch(&self) {
        let batch = &self.expected["batch_longest_max16"];
        let texts: Vec<&str> = batch["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let rows = self.cutting[1].1.encode_batch(&texts).unwrap();
        let expected = batch["encodings"].as_array().unwrap();
        assert_eq!(rows.len(), expected.len());
        let padding = self.whole.padding();
        let side = if padding.side == Side::Left { "left" } else { "right" };
        assert_eq!(self.expected["padding_side"], side, "{}", self.source.display());
        let pad = padding.token.as_ref().unwrap().id;
        assert_eq!(self.expected["pad"]["pad_id"], pad, "{}", self.source.display());
        let longest = rows.iter().map(|row| row.ids.len()).max().unwrap();
        let padded = |values: &[u32], with: u32| -> Vec<u32> {
            let filling = vec![with; longest - values.len()];
            if side == "left" { [&filling, values].concat() } else { [values, &filling].concat() }
        };
        for ((row, expected), text) in rows.iter().zip(expected).zip(texts) {
            let at = format!("{text:?} by {}", self.source.display());
            assert_eq!(json!(padded(&row.ids, pad)), expected["ids"], "{at}");
            assert_eq!(json!(padded(&row.type_ids, padding.type_id)), expected["type_ids"], "{at}");
            let mut mask = padded(&vec![1; row.ids.len()], 0);
            if expected["attention_mask"].as_array().unwrap().iter().all(|real| *real == 0) {
                // The reference shows GPT-2 nothing of an empty text; ours shows it one token.
                assert_eq!((text, mask.iter().sum()), ("", 1));
                mask.fill(0);
            }
            assert_eq!(json!(mask), expected["attention_mask"], "{at}");
        }
        assert!(rows.iter().any(|row| row.ids.len() < longest), "no row of the batch was padded");
    }

    /// A row of ours has no padding, and what a row of the fixture has to its mask, ours has too.
    #[track_caller]
    fn same(&self, found: &Encoded, expected: &Value, text: &str) {
        let numbers = |name: &str| -> Vec<u32> { serde_json::from_value(expected[name].clone()).unwrap() };
        let at = format!("{text:?} by {}", self.source.display());
        let (mut ids, mut type_ids) = (numbers("ids"), numbers("type_ids"));
        assert_eq!(numbers("attention_mask"), vec![1; ids.len()], "{at}");
        if ids.is_empty() {
            // GPT-2 has no token for an empty text; a row of ours then has the one that ends texts.
            (ids, type_ids) = (vec![self.whole.padding().token.as_ref().unwrap().id], vec![0]);
        }
        assert_eq!(found.ids, ids, "{at}");
        assert_eq!(found.type_ids, type_ids, "{at}");
    }
}
