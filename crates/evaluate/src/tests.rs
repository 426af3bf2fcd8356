//! Tests of the whole stage on a tiny BERT, with generated rows and tokens.

mod multi_label;
mod refused;

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_dataset::{Example, read_predictions, write_examples, write_tokens};
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::{ErrorKind, Request};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::well_formed::{parse_html, parse_svg};

const LABELS: [&str; 3] = ["alpha", "beta", "gamma"];
const HOSTILE: &str = "<script>alert('text')</script> & \"quotes\" \u{0} </body>";

/// The directories of a run in which all stages before evaluate have finished.
struct Run {
    directory: TempDir,
    config: Config,
}

impl Run {
    fn new() -> Self {
        Self::with_labels(&LABELS)
    }

    fn with_labels(labels: &[&str]) -> Self {
        let run = Self { directory: tempfile::tempdir().unwrap(), config: default_section(Slot::Evaluate).unwrap() };
        for slot in Slot::Evaluate.inputs() {
            fs::create_dir(run.path(slot.name())).unwrap();
        }
        let names = labels.iter().map(|&name| name.to_owned()).collect();
        LabelMap::new(names).unwrap().write(&run.path("clean/labels.json")).unwrap();
        for (file, first, count) in [("train", 0, 60), ("validation", 1000, 18), ("test", 2000, 30)] {
            let (examples, tokens) = rows(first, count);
            let stage = if file == "train" { "augment" } else { "split" };
            write_examples(&run.path(&format!("{stage}/{file}.parquet")), &examples).unwrap();
            write_tokens(&run.path(&format!("tokenize/{file}.parquet")), &tokens).unwrap();
        }
        run.train("bert", labels);
        run
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn train(&self, fixture: &str, labels: &[&str]) {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models").join(fixture);
        fs::create_dir_all(self.path("train/model")).unwrap();
        fs::copy(golden.join("model.safetensors"), self.path("train/model/model.safetensors")).unwrap();
        let mut config: Value = serde_json::from_slice(&fs::read(golden.join("config.json")).unwrap()).unwrap();
        for (index, &label) in labels.iter().enumerate() {
            config["id2label"][index.to_string()] = label.into();
        }
        config["label2id"] =
            labels.iter().enumerate().map(|(index, &label)| (label.to_owned(), Value::from(index))).collect();
        fs::write(self.path("train/model/config.json"), config.to_string()).unwrap();
        let lines = [
            r#"{"step":2,"epoch":0.5,"loss":1.2,"learning_rate":1e-5,"grad_norm":1.0}"#,
            r#"{"step":4,"epoch":1.0,"loss":1.1,"validation_loss":1.08,"validation_accuracy":0.5}"#,
        ];
        fs::write(self.path("train/metrics.jsonl"), lines.join("\n")).unwrap();
        fs::write(
            self.path("train/summary.json"),
            r#"{"steps": 4, "stopped_early": false, "best": {"epoch": 1}, "restored_best": true}"#,
        )
        .unwrap();
    }

    fn run(&self) -> Result<()> {
        let output = self.path("evaluate");
        fs::create_dir_all(&output).unwrap();
        let request =
            Request { run: "tiny <run>".to_owned(), ..Request::in_dir(self.directory.path(), Slot::Evaluate) };
        Evaluate::run(&self.config, &StageIo::new(request))
    }

    fn refused(&self) -> Error {
        let error = self.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{}", error.render());
        assert!(error.render().contains("\nhint: "), "{}", error.render());
        error
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path("evaluate").join(file)).unwrap()
    }

    fn metrics(&self) -> Value {
        serde_json::from_str(&self.text("metrics.json")).unwrap()
    }
}

/// Rows with three labels, each with a word of its own, and tokens for them.
fn rows(first: u64, count: u64) -> (Vec<Example>, Vec<TokenRow>) {
    const WORDS: [&str; 3] = ["red", "green", "blue"];
    let row = |place: u64| {
        let label = (place % 3) as u32;
        let length = 3 + place as u32 % 9;
        let text = format!("number {place} is {} {HOSTILE}", WORDS[label as usize]);
        let example =
            Example { id: first + place, text, pair: None, labels: vec![label], group: None, weight: 1.0, part: None };
        let ids: Vec<u32> = (0..length).map(|token| 1 + (place as u32 * 31 + token * 17) % 119).collect();
        let (type_ids, cut) = (vec![0; ids.len()], u32::from(place.is_multiple_of(5)) * 7);
        (example, TokenRow { id: first + place, ids, type_ids, labels: vec![label], weight: 1.0, cut })
    };
    (0..count).map(row).unzip()
}

#[test]
fn all_outputs_exist_and_agree() {
    let run = Run::new();
    run.run().unwrap();
    for output in Slot::Evaluate.outputs() {
        assert!(run.path("evaluate").join(output.path).exists(), "{}", output.path);
    }
    let metrics = run.metrics();
    assert_eq!(metrics["labels"], serde_json::json!(LABELS));
    assert_eq!((&metrics["test"]["rows"], &metrics["validation"]["rows"]), (&30.into(), &18.into()));
    assert_eq!(metrics["model"]["family"], "bert");

    let predictions = read_predictions(&run.path("evaluate/predictions.parquet")).unwrap();
    assert_eq!(predictions.iter().map(|row| row.id).collect::<Vec<_>>(), (2000..2030).collect::<Vec<_>>());
    let right = predictions.iter().filter(|row| row.labels == row.predicted).count();
    assert!((metrics["test"]["accuracy"].as_f64().unwrap() - right as f64 / 30.0).abs() < 1e-12);

    let reference: Value = serde_json::from_str(&run.text("reference.json")).unwrap();
    assert_eq!((&reference["rows"], &reference["part"]), (&18.into(), &"validation".into()));
    let histogram = reference["confidence"]["histogram"].as_array().unwrap();
    assert_eq!(histogram.iter().map(|rows| rows.as_u64().unwrap()).sum::<u64>(), 18);
}

#[test]
fn the_baselines_learn_from_the_training_rows() {
    let run = Run::new();
    run.run().unwrap();
    let baselines = &run.metrics()["baselines"];
    assert_eq!(baselines["tfidf_logistic_regression"]["accuracy"], 1.0);
    assert_eq!(baselines["tfidf_logistic_regression"]["settings"]["training_rows"], 60);
    assert_eq!(baselines["majority"]["label"], "alpha");
    assert!((baselines["majority"]["accuracy"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    assert!(run.text("report.html").contains("TF-IDF + logistic regression"));
}

#[test]
fn baselines_can_be_switched_off() {
    let mut run = Run::new();
    run.config.baselines = false;
    run.run().unwrap();
    assert!(run.metrics().get("baselines").is_none());
    assert!(!run.text("report.html").contains("TF-IDF"));
}

#[test]
fn the_report_is_one_well_formed_file_without_a_network() {
    let run = Run::new();
    run.run().unwrap();
    let html = run.text("report.html");
    let page = parse_html(&html);
    for section in
        ["Result", "By label", "Training", "Calibration", "Most confident mistakes", "Data", "All figures", "Run"]
    {
        assert_eq!(html.matches(&format!("<h2>{section}</h2>")).count(), 1, "{section}");
    }
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(page.text.contains("tiny <run>"));
    parse_svg(&run.text("confusion.svg"));
}

#[test]
fn hostile_labels_and_texts_stay_text() {
    let labels = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>|'b'&c;\u{1b}[2J", "gamma\n\u{202e}"];
    let run = Run::with_labels(&labels);
    run.run().unwrap();
    let page = parse_html(&run.text("report.html"));
    let allowed = |tag: &String| !["script", "img", "iframe", "a", "link", "object"].contains(&tag.as_str());
    assert!(page.tags.iter().all(allowed), "{:?}", page.tags);
    assert!(page.attributes.iter().all(|(name, _)| !name.starts_with("on") && name != "src" && name != "href"));
    let picture = parse_svg(&run.text("confusion.svg"));
    for label in labels {
        let shown = label.replace('\u{1b}', "\u{fffd}");
        assert!(page.text.contains(&shown), "{label:?} in the report");
        assert!(picture.contains(&shown), "{label:?} in the picture");
    }
    assert!(page.text.contains(&HOSTILE.replace('\0', "\u{fffd}")));
}

#[test]
fn the_number_of_mistakes_is_configurable() {
    let mut run = Run::new();
    for (asked, shown) in [(2, 2), (0, 0)] {
        run.config.show_mistakes = asked;
        run.run().unwrap();
        assert_eq!(run.text("report.html").matches("class=\"tag wrong\"").count(), shown);
    }
}

#[test]
fn output_does_not_depend_on_row_order_or_batch_size() {
    let mut run = Run::new();
    run.run().unwrap();
    let files = ["metrics.json", "predictions.parquet", "reference.json", "confusion.svg", "report.html"];
    let read = |run: &Run| files.map(|file| fs::read(run.path("evaluate").join(file)).unwrap());
    let before = read(&run);
    run.run().unwrap();
    assert!(before == read(&run), "a second run differs");

    // Other batch sizes may change the last bits of a float32, but not the predictions.
    let predicted = |run: &Run| {
        let rows = read_predictions(&run.path("evaluate/predictions.parquet")).unwrap();
        rows.into_iter().map(|row| (row.id, row.predicted)).collect::<Vec<_>>()
    };
    let expected = predicted(&run);
    let (mut examples, mut tokens) = rows(2000, 30);
    examples.reverse();
    tokens.rotate_left(11);
    write_examples(&run.path("split/test.parquet"), &examples).unwrap();
    write_tokens(&run.path("tokenize/test.parquet"), &tokens).unwrap();
    run.config.batch_size = 7;
    run.run().unwrap();
    assert_eq!(predicted(&run), expected);
}

#[test]
fn optional_outputs_of_custom_stages_may_be_missing() {
    let run = Run::new();
    fs::remove_file(run.path("train/summary.json")).unwrap();
    fs::write(run.path("train/metrics.jsonl"), "{\"note\": \"custom\"}\n").unwrap();
    run.run().unwrap();
    let html = run.text("report.html");
    parse_html(&html);
    assert!(!html.contains("<h2>Training</h2>") && html.contains("<h2>Calibration</h2>"));
}

/// Field cases 21 and 22: a model that learned nothing is reported as such, everywhere.
#[test]
fn findings_are_in_report_and_metrics() {
    let run = Run::new();
    let summary =
        r#"{"steps": 1, "findings": [{"kind": "no_better_than_start", "message": "training changed nothing <b>"}]}"#;
    fs::write(run.path("train/summary.json"), summary).unwrap();
    run.run().unwrap();
    let metrics = run.metrics();
    let findings = metrics["findings"].as_array().unwrap();
    let kinds: Vec<&str> = findings.iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    // The fixture's weights are random; TF-IDF classifies all rows correctly.
    assert!(kinds.contains(&"no_better_than_tfidf"), "{kinds:?}");
    assert_eq!(metrics["judgement"]["verdict"], "worse");
    let page = parse_html(&run.text("report.html"));
    for finding in findings {
        let message = finding["message"].as_str().unwrap().replace('`', "");
        assert!(page.text.contains(&message[1..]), "{message}");
    }
    assert!(page.text.contains("Training changed nothing <b>."));
    assert!(page.text.contains(&metrics["judgement"]["message"].as_str().unwrap()[1..]));
}

#[test]
fn headline_figures_have_intervals_and_undefined_figures_are_null() {
    let run = Run::new();
    run.run().unwrap();
    let metrics = run.metrics();
    for (part, figure) in [("test", "accuracy"), ("test", "macro_f1"), ("test", "log_loss")] {
        let (value, interval) = (&metrics[part][figure], &metrics[part][format!("{figure}_interval_95")]);
        let [low, value, high] = [&interval["low"], value, &interval["high"]].map(|it| it.as_f64().unwrap());
        assert!(low <= value && value <= high, "{figure}: {low} {value} {high}");
    }
    let comparison = &metrics["baselines"]["tfidf_logistic_regression"]["comparison"];
    assert_eq!(comparison["accuracy"]["test"], "exact_mcnemar");
    assert_eq!(comparison["macro_f1"]["test"], "paired_bootstrap");
    // Always predicting `alpha` leaves the precision of the other labels undefined.
    let classes = metrics["baselines"]["majority"]["classes"].as_array().unwrap();
    assert_eq!((&classes[1]["precision"], &classes[1]["recall"]), (&Value::Null, &0.0.into()));
    let page = parse_html(&run.text("report.html"));
    assert!(page.text.contains("–"));
}

#[test]
fn rows_of_a_group_are_resampled_together() {
    let run = Run::new();
    let (mut examples, _) = rows(2000, 30);
    for (place, example) in examples.iter_mut().enumerate() {
        example.group = Some(format!("author {}", place / 10));
    }
    write_examples(&run.path("split/test.parquet"), &examples).unwrap();
    run.run().unwrap();
    let comparison = &run.metrics()["baselines"]["tfidf_logistic_regression"]["comparison"];
    assert_eq!(comparison["accuracy"]["test"], "group_sign_flip");
    // Three groups cannot be significant at 5 %: two of their eight sign patterns are as extreme.
    assert!(comparison["accuracy"]["p_value"].as_f64().unwrap() >= 0.25);
    assert_eq!(run.metrics()["judgement"]["verdict"], "undecided");
}
