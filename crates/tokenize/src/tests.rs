//! The stage as the runner starts it, on files in a temporary directory.

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
    /// Three splits of a few texts, and a model with 800 tokens and 24 positions.
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

    /// Sets the second text of every row of a split.
    fn pair(&self, part: &str, pair: impl Fn(u64) -> Option<&'static str>) {
        let path = self.path(if part == "train" { "augment" } else { "split" }).join(format!("{part}.parquet"));
        let mut rows = read_examples(&path).unwrap();
        for row in &mut rows {
            row.pair = pair(row.id).map(str::to_owned);
        }
        write_examples(&path, &rows).unwrap();
    }

    /// Writes a file into the directory of the model.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("fetch/pretrained").join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn model(&self, config: &str) {
        fs::write(self.path("fetch/pretrained/config.json"), config).unwrap();
    }

    fn stage(&self, max_length: usize, threads: usize) -> Result<()> {
        // The length is set in the configuration, not the default.
        self.stage_with(max_length, threads, &["max_length"])
    }

    fn stage_with(&self, max_length: usize, threads: usize, set: &[&str]) -> Result<()> {
        let mut request = Request::in_dir(self.directory.path(), Slot::Tokenize);
        request.origins = set.iter().map(|key| ((*key).to_owned(), "my.toml:3".to_owned())).collect();
        let io = StageIo::new(request);
        Tokenize::run(&Config { max_length, threads }, &io)
    }
}

#[test]
fn rows_keep_ids_labels_and_order_and_are_truncated() {
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
    // The written tokenizer, which later stages and servers read, truncates to the same length.
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
fn the_default_length_gives_way_to_the_models_own() {
    let run = Run::new();
    run.stage_with(128, 1, &[]).unwrap();
    assert_eq!(TextTokenizer::read(&run.path("tokenize/tokenizer"), None).unwrap().max_length(), 24);
    let error = run.stage_with(128, 1, &["max_length"]).unwrap_err();
    assert!(error.message().starts_with("`max_length` is 128"), "{}", error.message());
}

/// The characters that decide the label are unknown to the vocabulary: google-research/bert #587.
#[test]
fn rows_that_differ_only_in_unknown_characters_are_reported() {
    let run = Run::new();
    let example = |id: u64, part: Part| Example {
        id,
        text: format!("the dog number {} jumps {}", id / 2 % 5, if id.is_multiple_of(2) { "🥝" } else { "🦖" }),
        pair: None,
        labels: vec![id as u32 % 2],
        group: None,
        weight: 1.0,
        part: Some(part),
    };
    for (stage, part, ids) in
        [("augment", Part::Train, 0..10), ("split", Part::Validation, 10..14), ("split", Part::Test, 20..26)]
    {
        let rows: Vec<_> = ids.map(|id| example(id, part)).collect();
        write_examples(&run.path(stage).join(format!("{}.parquet", part.name())), &rows).unwrap();
    }
    let names = LabelMap::new(vec!["happy".to_owned(), "angry".to_owned()]).unwrap();
    names.write(&run.path("clean/labels.json")).unwrap();
    run.stage(24, 1).unwrap();
    let report: Value = read_json(&run.path("tokenize/report.json")).unwrap();
    let found = &report["ambiguity"];
    assert_eq!((&found["rows"], &found["ambiguous_rows"]), (&20.into(), &20.into()));
    assert_eq!((&found["test_rows"], &found["test_rows_in_train"]), (&6.into(), &6.into()));
    assert_eq!(found["example"]["unknown"], serde_json::json!(["🥝", "🦖"]));
    assert_eq!(found["example"]["labels"], serde_json::json!([["happy"], ["angry"]]));
    assert!(report["train"]["unknown_share_by_label"]["happy"].as_f64().unwrap() > 0.0);
    let example: EqualRows = EqualRows {
        rows: [0, 1],
        texts: ["a 😀".to_owned(), "a 😡".to_owned()],
        labels: [vec!["happy".to_owned()], vec!["angry".to_owned()]],
        tokens: vec!["a".to_owned(), "[UNK]".to_owned()],
        unknown: vec!["😀".to_owned(), "😡".to_owned()],
        truncated: false,
    };
    let ambiguity = Ambiguity { rows: 20, ambiguous_rows: 20, example: Some(example), ..Ambiguity::default() };
    assert_eq!(
        ambiguity.about_labels().unwrap(),
        "20 of 20 rows have the same tokens as a row with another label, so no model can tell them apart: for example \"a 😀\" \
         (`happy`) and \"a 😡\" (`angry`); unknown to the vocabulary: 😀 😡; use a model whose vocabulary has them, or replace \
         them with words (`clean.replace`)"
    );
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

const PARTS: [&str; 3] = ["train", "validation", "test"];

#[test]
fn pairs_are_one_row_of_two_segments() {
    let run = Run::new();
    for part in PARTS {
        run.pair(part, |_| Some("world and dog"));
    }
    fs::write(
        run.path("clean/text.json"),
        r#"{"strip_html": false, "unicode": "none", "strip_control": false, "collapse_whitespace": false,
            "lowercase": false, "pairs": true}"#,
    )
    .unwrap();
    run.stage(16, 2).unwrap();
    let rows = read_tokens(&run.path("tokenize/train.parquet")).unwrap();
    let tokenizer = TextTokenizer::read(&run.path("tokenize/tokenizer"), None).unwrap();
    let expected = tokenizer.encode_pair("Hello, world!", "world and dog").unwrap();
    assert_eq!((&rows[0].ids, &rows[0].type_ids), (&expected.ids, &expected.type_ids));
    assert!(rows.iter().all(|row| row.type_ids.contains(&1) && row.type_ids.first() == Some(&0)));
    // Both texts together are longer than the row; truncated tokens are counted.
    let whole = TextTokenizer::read(&run.path("tokenize/tokenizer"), Some(24)).unwrap();
    let long =
        whole.encode_pair("The quick brown fox jumps over the lazy dog. Twice, and then again.", "world and dog");
    let long = long.unwrap();
    assert_eq!(rows[3].ids.len() + rows[3].cut as usize, long.ids.len() + long.cut as usize);
    assert_eq!(rows[3].ids.len(), 16);
    let report: Value = read_json(&run.path("tokenize/report.json")).unwrap();
    assert_eq!(report["pairs"], true);
}

#[test]
fn pairs_and_single_texts_do_not_mix() {
    let run = Run::new();
    run.pair("train", |id| (id != 7).then_some("second"));
    let error = run.stage(16, 1).unwrap_err().render();
    assert!(error.contains("row 7 of") && error.contains("is a single text"), "{error}");
    run.pair("train", |_| Some("second"));
    let error = run.stage(16, 1).unwrap_err().render();
    assert!(error.contains("validation.parquet is a single text, but according to row 0 of"), "{error}");
    // A model with one token type has no embedding for the second text.
    for part in PARTS {
        run.pair(part, |_| Some("second"));
    }
    run.model(r#"{"model_type": "bert", "vocab_size": 800, "max_position_embeddings": 24, "type_vocab_size": 1}"#);
    let error = run.stage(16, 1).unwrap_err().render();
    assert!(error.contains("the segment 1") && error.contains("`type_vocab_size` = 1"), "{error}");
}

#[test]
fn special_ids_that_disagree_are_refused_with_both() {
    let run = Run::new();
    run.write("tokenizer_config.json", r#"{"pad_token": "[PAD]", "sep_token": "[SEP]"}"#);
    let model = |pad: u32, sep: u32| {
        run.model(&format!(
            r#"{{"vocab_size": 800, "max_position_embeddings": 24, "pad_token_id": {pad}, "sep_token_id": {sep},
                "eos_token_id": null, "bos_token_id": 77}}"#
        ));
        run.stage(16, 1).map_err(|error| error.render())
    };
    model(0, 3).unwrap();
    let error = model(1, 3).unwrap_err();
    assert!(error.contains("`pad_token` \"[PAD]\" has the id 0") && error.contains("`pad_token_id` = 1"), "{error}");
    let error = model(0, 102).unwrap_err();
    assert!(error.contains("`sep_token` \"[SEP]\" has the id 3") && error.contains("= 102"), "{error}");
}

#[test]
fn the_tokenizers_own_length_is_used_unless_it_is_a_sentinel() {
    let run = Run::new();
    let length = |model_max_length: &str| {
        run.write("tokenizer_config.json", &format!("{{\"model_max_length\": {model_max_length}}}"));
        run.stage(0, 1).unwrap();
        TextTokenizer::read(&run.path("tokenize/tokenizer"), None).unwrap().max_length()
    };
    assert_eq!(length("20"), 20);
    assert_eq!(length("1000000000000000019884624838656"), 24);
    assert_eq!(length("512"), 24);
}

/// GPT-2, read from its vocabulary files: no special tokens around a text, and no padding token.
#[test]
fn gpt2_pads_with_the_end_of_text_token() {
    let run = Run::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../text/tests/golden/tokenizers/bpe-gpt2/tokenizer.json");
    let golden: Value = read_json(&golden).unwrap();
    let merges = golden["model"]["merges"].as_array().unwrap().iter().map(|merge| match merge {
        Value::String(merge) => format!("{merge}\n"),
        pair => format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    });
    fs::remove_file(run.path("fetch/pretrained/tokenizer.json")).unwrap();
    run.write("vocab.json", &golden["model"]["vocab"].to_string());
    run.write("merges.txt", &merges.collect::<String>());
    run.model(r#"{"model_type": "gpt2", "vocab_size": 900, "n_positions": 24, "eos_token_id": 0}"#);
    run.stage(0, 1).unwrap();
    let rows = read_tokens(&run.path("tokenize/test.parquet")).unwrap();
    // An empty text has no tokens of its own.
    assert_eq!((&rows[1].ids, &rows[1].type_ids), (&vec![0], &vec![0]));
    let report: Value = read_json(&run.path("tokenize/report.json")).unwrap();
    assert_eq!((&report["pad_token"], &report["pad_token_id"]), (&"<|endoftext|>".into(), &0.into()));
    assert_eq!(report["pads_with_end"], true);
    let config: Value = read_json(&run.path("tokenize/tokenizer/tokenizer_config.json")).unwrap();
    assert_eq!(config["pad_token"], "<|endoftext|>");
    // The model expects another padding token.
    run.model(
        r#"{"model_type": "gpt2", "vocab_size": 900, "n_positions": 24, "eos_token_id": 0, "pad_token_id": 899}"#,
    );
    let error = run.stage(0, 1).unwrap_err().render();
    assert!(error.contains("\"<|endoftext|>\" has the id 0") && error.contains("`pad_token_id` = 899"), "{error}");
    assert!(run.path("tokenize/tokenizer/tokenizer.json").is_file());
}
