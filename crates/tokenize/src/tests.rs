//! The stage as the runner starts it, over files in a temporary directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use firebrand_dataset::{Part, read_tokens, write_examples};
use firebrand_pipeline::{ErrorKind, Request, read_json};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct Run {
    directory: TempDir,
}

impl Run {
    /// Three parts of a few texts, and a model with 800 tokens and 24 positions.
    fn new() -> Self {
        let run = Self { directory: tempfile::tempdir().unwrap() };
        let texts = [
            "Hello, world!",
            "",
            "café naïve résumé",
            "The quick brown fox jumps over the lazy dog. Twice, and then again.",
        ];
        let examples = |part: Part| -> Vec<Example> {
            (0..40)
                .map(|id| Example {
                    id,
                    text: texts[id as usize % 4].to_owned(),
                    pair: None,
                    labels: vec![id as u32 % 2],
                    group: None,
                    weight: 0.5,
                    part: Some(part),
                })
                .collect()
        };
        for (stage, part) in [("augment", Part::Train), ("split", Part::Validation), ("split", Part::Test)] {
            fs::create_dir_all(run.path(stage)).unwrap();
            write_examples(&run.path(stage).join(format!("{}.parquet", part.name())), &examples(part)).unwrap();
        }
        for directory in ["fetch/pretrained", "clean", "tokenize"] {
            fs::create_dir_all(run.path(directory)).unwrap();
        }
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../text/tests/golden/tokenizers/wordpiece-uncased");
        fs::copy(golden.join("tokenizer.json"), run.path("fetch/pretrained/tokenizer.json")).unwrap();
        run.model(r#"{"model_type": "bert", "vocab_size": 800, "max_position_embeddings": 24}"#);
        run
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn model(&self, config: &str) {
        fs::write(self.path("fetch/pretrained/config.json"), config).unwrap();
    }

    fn stage(&self, max_length: usize, threads: usize) -> Result<()> {
        let inputs = Slot::Tokenize.inputs().iter().map(|slot| (*slot, self.path(slot.name())));
        let io = StageIo::new(Request {
            protocol: Request::PROTOCOL,
            slot: Slot::Tokenize,
            run: "test".to_owned(),
            config: Value::Null,
            origins: BTreeMap::new(),
            inputs: inputs.collect(),
            output: self.path("tokenize"),
            cache: self.path("cache"),
            workspace: self.directory.path().to_owned(),
            resume: false,
        });
        Tokenize::run(&Config { max_length, threads }, &io)
    }
}

#[test]
fn rows_keep_their_ids_labels_and_order_and_are_cut() {
    let run = Run::new();
    run.stage(16, 1).unwrap();
    let rows = read_tokens(&run.path("tokenize/train.parquet")).unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert_eq!(rows[0].ids, [2, 50, 551, 341, 16, 65, 274, 190, 186, 5, 3]);
    assert_eq!((&rows[1].ids, &rows[1].labels, rows[1].weight), (&vec![2, 3], &vec![1], 0.5));
    assert!(rows.iter().all(|row| row.ids.len() <= 16 && row.ids.len() == row.type_ids.len()));
    assert!(rows[3].cut > 0 && rows[0].cut == 0);

    let report: Value = read_json(&run.path("tokenize/report.json")).unwrap();
    assert_eq!((&report["max_length"], &report["train"]["rows"]), (&16.into(), &40.into()));
    assert_eq!(report["test"]["rows_cut"], rows.iter().filter(|row| row.cut > 0).count());
    // What later stages and servers read cuts to the same length.
    assert_eq!(TextTokenizer::read(&run.path("tokenize/tokenizer"), None).unwrap().max_length(), 16);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let bytes = |threads: usize| {
        let run = Run::new();
        run.stage(16, threads).unwrap();
        fs::read(run.path("tokenize/train.parquet")).unwrap()
    };
    let one = bytes(1);
    assert!([2, 3, 64, 0].into_iter().all(|threads| bytes(threads) == one));
}

#[test]
fn zero_is_the_models_own_length_and_more_is_refused() {
    let run = Run::new();
    run.stage(0, 1).unwrap();
    assert_eq!(TextTokenizer::read(&run.path("tokenize/tokenizer"), None).unwrap().max_length(), 24);
    let error = run.stage(25, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().starts_with("`max_length` is 25"), "{}", error.message());
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let run = Run::new();
    run.model(r#"{"model_type": "bert", "vocab_size": 799, "max_position_embeddings": 24}"#);
    let error = run.stage(16, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("800 tokens") && error.message().contains("799"), "{}", error.message());
}

#[test]
fn missing_and_damaged_tokenizers_are_named() {
    let run = Run::new();
    fs::write(run.path("fetch/pretrained/tokenizer.json"), "{}").unwrap();
    assert!(run.stage(16, 1).unwrap_err().message().contains("tokenizer.json is not a tokenizer's file"));
    fs::remove_file(run.path("fetch/pretrained/tokenizer.json")).unwrap();
    let error = run.stage(16, 1).unwrap_err();
    assert!(error.message().contains("there is no tokenizer.json"), "{}", error.message());
    assert!(error.message().contains("config.json"), "{}", error.message());
}
