//! Tests of the whole stage on a tiny BERT, with generated tokens and labels.

mod card;
mod multi_label;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use firebrand_arch::{StartFrom, StartHead, softmax};
use firebrand_dataset::{
    Example, LabelMap, Prediction, TokenRow, read_tokens, write_examples, write_predictions, write_tokens,
};
use firebrand_model::Tokens;
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::{Error, ErrorKind, Hidden, Request, files_below};
use firebrand_text::{TextOptions, Unicode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const LABELS: [&str; 3] = ["alpha", "beta", "gamma"];

/// The token with this id, which is a word of the texts.
fn token(id: u32) -> String {
    match id {
        0 => "[PAD]".to_owned(),
        1 => "[UNK]".to_owned(),
        _ => format!("word{id}"),
    }
}

/// 40 test rows, then 8 validation rows.
fn token_rows() -> Vec<TokenRow> {
    let row = |row: u32| {
        let length = 3 + row % 9;
        TokenRow {
            id: u64::from(row) * 10,
            ids: (0..length).map(|place| 1 + (row * 31 + place * 17) % 119).collect(),
            type_ids: vec![0; length as usize],
            labels: vec![row % 3],
            weight: 1.0,
            cut: u32::from(row.is_multiple_of(8)) * 5,
        }
    };
    (0..48).map(row).collect()
}

/// The directories of a run in which all stages before export have finished.
struct Run {
    directory: TempDir,
    config: Config,
    name: String,
}

impl Run {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = default_section(Slot::Export).unwrap();
        let run = Self { directory, config, name: "tiny: a run".to_owned() };
        for slot in Slot::Export.inputs() {
            fs::create_dir(run.path(slot.name())).unwrap();
        }
        run.fetch();
        run.clean();
        run.tokenize();
        run.train();
        run.evaluate();
        run
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write_json(&self, path: &str, value: &Value) {
        fs::write(self.path(path), value.to_string()).unwrap();
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(path)).unwrap()).unwrap()
    }

    fn fetch(&self) {
        self.write_json(
            "fetch/source.json",
            &json!({
                "data": { "source": { "pypi": ["some-reviews==1.0.0"] }, "downloads": [], "files": [] },
                "model": { "source": { "hub": "tiny-org/tiny-bert" }, "commit": "0123abc", "downloads": [], "files": [] }
            }),
        );
    }

    fn clean(&self) {
        LabelMap::new(LABELS.map(str::to_owned).to_vec()).unwrap().write(&self.path("clean/labels.json")).unwrap();
        let options = TextOptions { strip_html: true, unicode: Unicode::Nfkc, ..TextOptions::UNTOUCHED };
        options.write(&self.path("clean/text.json")).unwrap();
        let example = |row: TokenRow| Example {
            id: row.id,
            text: row.ids.iter().map(|id| token(*id)).collect::<Vec<_>>().join(" "),
            pair: None,
            labels: row.labels,
            group: None,
            weight: 1.0,
            part: None,
        };
        let examples: Vec<Example> = token_rows().into_iter().map(example).collect();
        write_examples(&self.path("clean/examples.parquet"), &examples).unwrap();
    }

    fn tokenize(&self) {
        let (test, validation) = token_rows().into_iter().partition::<Vec<_>, _>(|row| row.id < 400);
        write_tokens(&self.path("tokenize/test.parquet"), &test).unwrap();
        write_tokens(&self.path("tokenize/validation.parquet"), &validation).unwrap();
        let vocabulary: serde_json::Map<String, Value> = (0..120).map(|id| (token(id), json!(id))).collect();
        fs::create_dir_all(self.path("tokenize/tokenizer")).unwrap();
        self.write_json(
            "tokenize/tokenizer/tokenizer.json",
            &json!({
                "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
                "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
                "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" }
            }),
        );
        self.write_json("tokenize/tokenizer/tokenizer_config.json", &json!({ "model_max_length": 12 }));
        self.write_json("tokenize/tokenizer/special_tokens_map.json", &json!({ "unk_token": "[UNK]" }));
    }

    fn train(&self) {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert");
        fs::create_dir_all(self.path("train/model")).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(golden.join(file), self.path("train/model").join(file)).unwrap();
        }
    }

    /// Replaces the trained model by one with a new head over mean-pooled hidden states, and evaluates it.
    fn use_mean_pooling(&self) {
        let device = firebrand_model::device("flex").unwrap();
        let from = StartFrom {
            mean_pooling: true,
            head: StartHead::New,
            ..StartFrom::new(LABELS.map(str::to_owned).to_vec(), 1)
        };
        let (classifier, _) = Classifier::start(&self.path("train/model"), &from, &device).unwrap();
        classifier.save(&self.path("train/model")).unwrap();
        self.evaluate();
    }

    /// Writes the outputs of a correct evaluate stage, in another order than the tokens.
    fn evaluate(&self) {
        let mut rows = self.predictions();
        rows.reverse();
        write_predictions(&self.path("evaluate/predictions.parquet"), &rows).unwrap();
        self.write_json(
            "evaluate/metrics.json",
            &json!({ "baselines": { "majority": { "test": { "accuracy": 0.3875, "macro_f1": 0.18 } } } }),
        );
        self.write_json("evaluate/reference.json", &json!({ "lengths": [1, 2] }));
    }

    fn predictions(&self) -> Vec<Prediction> {
        let rows = read_tokens(&self.path("tokenize/test.parquet")).unwrap();
        let tokens: Vec<_> = rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect();
        let device = firebrand_model::device("flex").unwrap();
        let classifier = Classifier::load(&self.path("train/model"), &device).unwrap();
        let logits = classifier.logits(&tokens, 7, &mut |_| ()).unwrap();
        let prediction = |(row, logits): (&TokenRow, Vec<f32>)| {
            let probabilities = softmax(&logits);
            let best =
                (0..3u32).max_by(|&a, &b| probabilities[a as usize].total_cmp(&probabilities[b as usize])).unwrap();
            Prediction { id: row.id, labels: row.labels.clone(), predicted: vec![best], probabilities }
        };
        rows.iter().zip(logits).map(prediction).collect()
    }

    fn change_predictions(&self, change: impl FnOnce(&mut Vec<Prediction>)) {
        let mut rows = self.predictions();
        change(&mut rows);
        write_predictions(&self.path("evaluate/predictions.parquet"), &rows).unwrap();
    }

    fn export(&self) -> Result<()> {
        let output = self.path("export");
        // Files of a failed run must not be mistaken for those of this one.
        let _ = fs::remove_dir_all(&output);
        fs::create_dir(&output).unwrap();
        Export::run(
            &self.config,
            &StageIo::new(Request { run: self.name.clone(), ..Request::in_dir(self.directory.path(), Slot::Export) }),
        )
    }

    fn refused(&self) -> Error {
        self.export().unwrap_err()
    }

    /// The content of every file in `export/`, by path.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let directory = self.path("export");
        let files = files_below(&directory, Hidden::Include).unwrap();
        files.into_iter().map(|file| (file.clone(), fs::read(directory.join(file)).unwrap())).collect()
    }
}

#[test]
fn the_bundle_has_the_files_that_the_hub_expects() {
    let run = Run::new();
    run.export().unwrap();
    let files: Vec<String> = run.files().into_keys().collect();
    assert_eq!(
        files,
        [
            "bundle/README.md",
            "bundle/checksums.json",
            "bundle/config.json",
            "bundle/int8/model.safetensors",
            "bundle/model.safetensors",
            "bundle/reference.json",
            "bundle/special_tokens_map.json",
            "bundle/text.json",
            "bundle/tokenizer.json",
            "bundle/tokenizer_config.json",
            "parity.json",
        ]
    );
    let config = run.json("export/bundle/config.json");
    assert_eq!(config["architectures"], json!(["BertForSequenceClassification"]));
    assert_eq!(config["model_type"], "bert");
    assert_eq!(config["id2label"], json!({ "0": "alpha", "1": "beta", "2": "gamma" }));
    assert_eq!(config["label2id"], json!({ "alpha": 0, "beta": 1, "gamma": 2 }));
    assert_eq!(run.json("export/bundle/text.json")["unicode"], "nfkc");
    assert_eq!(run.json("export/bundle/tokenizer_config.json")["model_max_length"], 12);
}

#[test]
fn a_model_without_a_problem_type_gets_one() {
    let run = Run::new();
    run.export().unwrap();
    assert_eq!(run.json("export/bundle/config.json")["problem_type"], "single_label_classification");
}

#[test]
fn parity_has_the_figures_of_the_written_files() {
    let run = Run::new();
    run.export().unwrap();
    let parity = run.json("export/parity.json");
    let predictions = run.predictions();
    let right = predictions.iter().filter(|row| row.labels == row.predicted).count();
    assert_eq!(parity["rows"], 40);
    assert_eq!(parity["fp32"]["accuracy"], right as f64 / 40.0);
    for part in ["fp32", "int8"] {
        let file = run.path("export/bundle").join(parity[part]["file"].as_str().unwrap());
        assert_eq!(parity[part]["bytes"], fs::metadata(file).unwrap().len());
        assert!(parity[part]["macro_f1"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(parity["evaluate"]["labels_changed"], 0);
    assert!(parity["evaluate"]["largest_probability_difference"].as_f64().unwrap() < 1e-5);
    let difference = parity["int8"]["largest_logit_difference"].as_f64().unwrap();
    assert!(difference > 0.0 && difference < 0.2, "{difference}");
    let errors: Vec<f64> =
        parity["int8"]["matrices"].as_array().unwrap().iter().map(|m| m["relative_error"].as_f64().unwrap()).collect();
    assert!(errors.len() == 14 && errors.is_sorted_by(|a, b| a >= b), "{errors:?}");
    assert_eq!(parity["gate"]["passed"], true);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let run = Run::new();
    run.export().unwrap();
    let first = run.files();
    run.export().unwrap();
    assert!(first == run.files());
}

#[test]
fn optional_inputs_may_be_missing() {
    let run = Run::new();
    for path in ["fetch/source.json", "clean/text.json", "evaluate/reference.json"] {
        fs::remove_file(run.path(path)).unwrap();
    }
    run.export().unwrap();
    let card = fs::read_to_string(run.path("export/bundle/README.md")).unwrap();
    assert!(card.contains("was not recorded") && !card.contains("base_model"));
    // Without cleaning, the texts still have the tokens of the token files.
    assert_eq!(run.json("export/parity.json")["tokenization"], json!({ "texts": 48, "different": 0 }));
    assert!(!run.path("export/bundle/text.json").exists() && !run.path("export/bundle/reference.json").exists());
}

#[test]
fn int8_is_left_out_on_request() {
    let mut run = Run::new();
    run.config.int8 = false;
    run.export().unwrap();
    assert!(!run.path("export/bundle/int8").exists());
    let parity = run.json("export/parity.json");
    assert!(parity["int8"].is_null() && parity["gate"]["accuracy_drop"].is_null());
    assert!(!fs::read_to_string(run.path("export/bundle/README.md")).unwrap().contains("int8"));
}

#[test]
fn the_batch_size_changes_no_prediction() {
    let mut run = Run::new();
    run.config.batch_size = 1;
    run.export().unwrap();
    assert_eq!(run.json("export/parity.json")["evaluate"]["labels_changed"], 0);
}

#[test]
fn the_gates_refuse() {
    let mut run = Run::new();
    // No drop is below -1, so this limit always refuses.
    run.config.max_accuracy_drop = -1.0;
    let error = run.refused();
    assert_eq!(error.kind().exit_code(), 5);
    assert!(error.message().contains("int8 lowers the test accuracy from"), "{}", error.message());
    assert!(error.render().contains("hint: the weights that change most are bert."), "{}", error.render());

    run.config.max_accuracy_drop = 1.0;
    run.config.max_macro_f1_drop = -0.5;
    let error = run.refused();
    assert!(error.message().contains("int8 lowers the test macro F1 from"), "{}", error.message());

    run.config.max_macro_f1_drop = 1.0;
    run.config.min_accuracy = 1.0;
    let error = run.refused();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert!(error.message().contains("below `export.min_accuracy` = 1"), "{}", error.message());
}

#[test]
fn a_refused_export_keeps_its_figures() {
    let mut run = Run::new();
    run.config.min_accuracy = 1.0;
    let error = run.refused();
    let path = run.path("export/parity.json");
    assert!(error.render().contains(&format!("all figures are in {}", path.display())), "{}", error.render());
    let parity = run.json("export/parity.json");
    assert_eq!((&parity["gate"]["passed"], &parity["gate"]["min_accuracy"]), (&json!(false), &json!(1.0)));
    assert!(parity["fp32"]["accuracy"].is_number() && parity["int8"]["macro_f1"].is_number(), "{parity}");
    assert!(!run.path("export/bundle/README.md").exists());
}

#[test]
fn a_bundle_that_tokenizes_differently_is_refused() {
    let run = Run::new();
    let path = "tokenize/tokenizer/tokenizer.json";
    let mut lower_casing = run.json(path);
    // The tokenizer now lower-cases words, which changes three texts with upper-case words.
    let mut examples = firebrand_dataset::read_examples(&run.path("clean/examples.parquet")).unwrap();
    for example in &mut examples[5..8] {
        example.text = example.text.to_uppercase();
    }
    write_examples(&run.path("clean/examples.parquet"), &examples).unwrap();
    let error = run.refused();
    assert_eq!(error.kind(), ErrorKind::Data);
    let message = error.message();
    assert!(message.contains("tokenizes 3 of 48 texts differently from training; the first is row 50 "), "{message}");
    assert!(message.contains("(\"WORD") && message.contains("): token 1 is 1 in the bundle and "), "{message}");

    lower_casing["normalizer"] = json!({ "type": "Lowercase" });
    run.write_json(path, &lower_casing);
    run.export().unwrap();
    assert_eq!(run.json("export/parity.json")["tokenization"], json!({ "texts": 48, "different": 0 }));

    // Cleaning is part of the comparison: text that it removes is not tokenized.
    let options = TextOptions { lowercase: true, ..TextOptions::UNTOUCHED };
    options.write(&run.path("clean/text.json")).unwrap();
    run.export().unwrap();
    write_examples(
        &run.path("clean/examples.parquet"),
        &[Example { text: "<b>word2".to_owned(), ..examples[0].clone() }],
    )
    .unwrap();
    assert!(run.refused().message().contains("tokenizes 1 of 1 texts differently"));
}

#[test]
fn a_model_that_evaluate_did_not_see_is_refused() {
    let run = Run::new();
    run.change_predictions(|rows| rows[3].predicted = vec![(rows[3].predicted[0] + 1) % 3]);
    let error = run.refused();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("1 of 40 rows have other labels"), "{}", error.message());

    run.change_predictions(|rows| {
        rows[4].probabilities[0] += 0.001;
        rows[4].probabilities[1] -= 0.001;
    });
    let error = run.refused();
    assert!(error.message().contains("(row 40)"), "{}", error.message());

    run.change_predictions(|rows| {
        rows.pop();
    });
    assert!(run.refused().message().contains("39 rows"));
}

#[test]
fn labels_of_other_data_are_refused() {
    let run = Run::new();
    let other = ["beta", "alpha", "gamma"].map(str::to_owned).to_vec();
    LabelMap::new(other).unwrap().write(&run.path("clean/labels.json")).unwrap();
    let error = run.refused();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("disagree about the labels"), "{}", error.message());
}

#[test]
fn a_tokenizer_with_longer_rows_than_the_model_is_refused() {
    let run = Run::new();
    run.write_json("tokenize/tokenizer/tokenizer_config.json", &json!({ "model_max_length": 25 }));
    let error = run.refused();
    assert!(error.message().contains("25 in the tokenizer, 24 in the model"), "{}", error.message());
}

#[test]
fn missing_and_damaged_inputs_are_named() {
    for path in [
        "clean/labels.json",
        "clean/text.json",
        "clean/examples.parquet",
        "fetch/source.json",
        "tokenize/test.parquet",
        "tokenize/validation.parquet",
        "tokenize/tokenizer/tokenizer.json",
        "train/model/config.json",
        "train/model/model.safetensors",
        "evaluate/predictions.parquet",
        "evaluate/metrics.json",
    ] {
        let run = Run::new();
        let whole = fs::read(run.path(path)).unwrap();
        fs::write(run.path(path), &whole[..whole.len() / 2]).unwrap();
        let error = run.refused();
        assert_eq!(error.kind(), ErrorKind::Data, "{path}: {}", error.render());
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        assert!(error.render().contains(name), "{path}: {}", error.render());
        if matches!(path, "clean/text.json" | "fetch/source.json") {
            continue;
        }
        fs::remove_file(run.path(path)).unwrap();
        let error = run.refused();
        assert_eq!(error.kind(), ErrorKind::Data, "{path}: {}", error.render());
        assert!(error.render().contains(name), "{path}: {}", error.render());
    }
}

#[test]
fn invalid_test_rows_are_refused() {
    let run = Run::new();
    write_tokens(&run.path("tokenize/test.parquet"), &[]).unwrap();
    assert!(run.refused().message().contains("has no rows"));

    let run = Run::new();
    let mut rows = read_tokens(&run.path("tokenize/test.parquet")).unwrap();
    rows[2].labels = vec![3];
    write_tokens(&run.path("tokenize/test.parquet"), &rows).unwrap();
    assert!(run.refused().message().contains("row 20 has the label 3, but labels.json has 3"));

    let run = Run::new();
    let mut rows = read_tokens(&run.path("tokenize/test.parquet")).unwrap();
    rows[0].ids[0] = 120;
    write_tokens(&run.path("tokenize/test.parquet"), &rows).unwrap();
    // Without the text of the row, its tokens are not compared.
    let examples = firebrand_dataset::read_examples(&run.path("clean/examples.parquet")).unwrap();
    write_examples(&run.path("clean/examples.parquet"), &examples[1..]).unwrap();
    let error = run.refused();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.render().contains("token id 120"), "{}", error.render());
}
