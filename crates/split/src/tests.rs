//! Tests of the whole stage, run in this process.

use std::path::Path;

use firebrand_dataset::{Example, LabelMap, Part, read_examples, write_examples};
use firebrand_pipeline::{Request, Slot, Stage, StageIo};
use serde_json::{Value, json};

use crate::{Config, Split};

/// The fields of an example that these tests vary.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    text: &'a str,
    label: u32,
    group: Option<&'a str>,
    part: Option<Part>,
}

pub(crate) fn row(text: &str, label: u32) -> Row<'_> {
    Row { text, label, group: None, part: None }
}

impl<'a> Row<'a> {
    pub(crate) fn part(self, part: Part) -> Self {
        Self { part: Some(part), ..self }
    }

    pub(crate) fn group(self, group: &'a str) -> Self {
        Self { group: Some(group), ..self }
    }
}

/// Examples with consecutive ids.
pub(crate) fn rows(rows: &[Row]) -> Vec<Example> {
    let example = |(id, row): (usize, &Row)| Example {
        id: id as u64,
        text: row.text.to_owned(),
        pair: None,
        labels: vec![row.label],
        group: row.group.map(str::to_owned),
        weight: 1.0,
        part: row.part,
    };
    rows.iter().enumerate().map(example).collect()
}

/// 100 rows: 60 with one label and 40 with the other.
fn hundred() -> Vec<Example> {
    let row = |id: u64| Example {
        id,
        text: format!("text {id}"),
        pair: None,
        labels: vec![u32::from(id % 5 < 2)],
        group: None,
        weight: 0.5,
        part: None,
    };
    (0..100).map(row).collect()
}

fn config() -> Config {
    Config { validation: 0.1, test: 0.1, stratify: true, seed: 42 }
}

/// The `StageIo` of a stage in `home`.
fn stage_io(home: &Path) -> StageIo {
    StageIo::new(Request { output: home.join("out"), ..Request::in_dir(home, Slot::Split) })
}

/// Runs the stage in `home`; the error is the message that a user would see.
fn run_in(home: &Path, rows: &[Example], config: &Config) -> Result<(), String> {
    run_with(home, rows, false, config)
}

fn run_with(home: &Path, rows: &[Example], multi_label: bool, config: &Config) -> Result<(), String> {
    let (clean, out) = (home.join("clean"), home.join("out"));
    for folder in [&clean, &out] {
        std::fs::create_dir_all(folder).unwrap();
    }
    write_examples(&clean.join("examples.parquet"), rows).unwrap();
    let labels = LabelMap::new(vec!["no".to_owned(), "yes".to_owned()]).unwrap().with_multi_label(multi_label);
    labels.write(&clean.join("labels.json")).unwrap();
    let io = stage_io(home);
    Split::check(config)
        .and_then(|()| Split::run(config, &io))
        .map_err(|error| format!("{} ({})", error.render(), error.kind().exit_code()))
}

struct Done {
    parts: [Vec<Example>; 3],
    report: Value,
    bytes: Vec<Vec<u8>>,
}

impl Done {
    fn ids(&self, part: Part) -> Vec<u64> {
        self.parts[part as usize].iter().map(|row| row.id).collect()
    }
}

fn run(rows: &[Example], config: &Config) -> Result<Done, String> {
    let home = tempfile::tempdir().unwrap();
    run_in(home.path(), rows, config)?;
    let out = home.path().join("out");
    let parts = Part::ALL.map(|part| read_examples(&out.join(format!("{part}.parquet"))).unwrap());
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    let bytes = ["train.parquet", "validation.parquet", "test.parquet", "report.json"].map(read).to_vec();
    Ok(Done { parts, report: serde_json::from_slice(&bytes[3]).unwrap(), bytes })
}

/// Checks that the error contains all of these texts.
fn refused(rows: &[Example], config: &Config, expected: &[&str]) {
    let error = run(rows, config).err().expect("this must fail");
    for text in expected {
        assert!(error.contains(text), "expected {text:?} in:\n{error}");
    }
}

#[test]
fn every_split_has_its_share_of_every_label() {
    let done = run(&hundred(), &config()).unwrap();
    assert_eq!(done.report["rows"], json!({ "train": 80, "validation": 10, "test": 10 }));
    assert_eq!(done.report["labels"][0]["rows"], json!({ "train": 48, "validation": 6, "test": 6 }));
    assert_eq!(done.report["labels"][1]["label"], "yes");
    assert_eq!(done.report["labels"][1]["shares"], json!({ "train": 0.4, "validation": 0.4, "test": 0.4 }));
    assert_eq!(done.report["drawn"], json!(["validation", "test"]));
    assert_eq!(done.report["seed"], 42);
    for part in Part::ALL {
        let rows = &done.parts[part as usize];
        assert!(
            rows.iter()
                .all(|row| row.part == Some(part) && row.weight == 0.5 && row.text == format!("text {}", row.id))
        );
        assert!(done.ids(part).is_sorted());
    }
    let mut ids = Part::ALL.map(|part| done.ids(part)).concat();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_seed_decides_every_byte() {
    let one = run(&hundred(), &config()).unwrap();
    assert_eq!(one.bytes, run(&hundred(), &config()).unwrap().bytes);
    let other = run(&hundred(), &Config { seed: 43, ..config() }).unwrap();
    assert_ne!(one.ids(Part::Test), other.ids(Part::Test));
}

#[test]
fn a_given_test_split_is_kept_and_its_texts_are_removed_from_training() {
    let mut rows = hundred();
    rows.iter_mut().for_each(|row| row.part = Some(Part::Train));
    for row in &mut rows[90..] {
        row.part = Some(Part::Test);
    }
    rows[3].text = " TEXT  95".to_owned();
    rows[4].text = "Text 4".to_owned();
    rows[9].text = "tExt 4".to_owned();
    let done = run(&rows, &config()).unwrap();
    assert_eq!(done.ids(Part::Test), (90..100).collect::<Vec<_>>());
    assert_eq!(done.ids(Part::Validation).len(), 9);
    assert_eq!(done.ids(Part::Train).len(), 80);
    let leak = json!({ "id": 3, "repeats": 95, "of": "test", "same": "text" });
    assert_eq!(done.report["leaks"], json!({ "removed": 1, "by_text": 1, "by_group": 0, "rows": [leak] }));
    assert_eq!(done.report["drawn"], json!(["validation"]));
    assert_eq!(done.report["bound_together"], 1);
    assert_eq!(done.ids(Part::Train).contains(&4), done.ids(Part::Train).contains(&9));
}

#[test]
fn given_training_rows_stay_if_others_can_be_drawn() {
    let mut rows = hundred();
    for row in &mut rows[..50] {
        row.part = Some(Part::Train);
    }
    let done = run(&rows, &config()).unwrap();
    assert!((0..50).all(|id| done.ids(Part::Train).contains(&id)));
    assert_eq!((done.ids(Part::Validation).len(), done.ids(Part::Test).len()), (5, 5));
}

#[test]
fn nothing_is_drawn_if_all_splits_are_given() {
    let mut rows = hundred();
    for (index, row) in rows.iter_mut().enumerate() {
        row.part = Some(Part::ALL[index / 40]);
    }
    let done = run(&rows, &Config { test: 0.0, ..config() }).unwrap();
    assert_eq!(done.report["rows"], json!({ "train": 40, "validation": 40, "test": 20 }));
    assert_eq!(done.report["drawn"], json!([]));
}

#[test]
fn groups_stay_whole() {
    let mut rows = hundred();
    for row in &mut rows {
        row.group = Some(format!("author {}", row.id / 5));
    }
    let done = run(&rows, &config()).unwrap();
    assert_eq!(done.report["rows"], json!({ "train": 80, "validation": 10, "test": 10 }));
    assert_eq!(done.report["groups"], json!({ "train": 16, "validation": 2, "test": 2 }));
    // Five groups of 20 rows: the shares cannot be met, but no split stays empty.
    for row in &mut rows {
        row.group = Some(format!("author {}", row.id / 20));
    }
    let done = run(&rows, &config()).unwrap();
    assert_eq!(done.report["groups"], json!({ "train": 3, "validation": 1, "test": 1 }));
}

#[test]
fn small_data_keeps_every_label_in_training_and_warns() {
    let few: Vec<Example> = hundred().into_iter().skip(1).take(6).collect();
    let done = run(&few, &config()).unwrap();
    assert!(done.report["labels"][0]["rows"]["train"].as_u64() > Some(0));
    assert!(done.report["labels"][1]["rows"]["train"].as_u64() > Some(0));
    assert_eq!(done.report["rows"], json!({ "train": 4, "validation": 1, "test": 1 }));
    let warnings = done.report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].as_str().unwrap().contains("split has no row with the label"));
}

#[test]
fn multi_label_rows_are_split_by_label() {
    // Of 120 rows, 30 have both labels, 30 only the first, 30 only the second, and 30 none.
    let mut rows = hundred();
    rows.extend(hundred().into_iter().take(20).map(|row| Example {
        id: row.id + 100,
        text: format!("more {}", row.id),
        ..row
    }));
    for row in &mut rows {
        row.labels = [&[][..], &[0], &[1], &[0, 1]][row.id as usize % 4].to_vec();
    }
    let home = tempfile::tempdir().unwrap();
    run_with(home.path(), &rows, true, &config()).unwrap();
    let report: Value = firebrand_pipeline::read_json(&home.path().join("out/report.json")).unwrap();
    assert_eq!(report["rows"], json!({ "train": 96, "validation": 12, "test": 12 }));
    assert_eq!(report["labels"][0]["rows"], json!({ "train": 48, "validation": 6, "test": 6 }));
    assert_eq!(report["labels"][1]["rows"], json!({ "train": 48, "validation": 6, "test": 6 }));
    assert_eq!(report["rows_without_label"], json!({ "train": 24, "validation": 3, "test": 3 }));

    let error = run_in(home.path(), &rows, &config()).unwrap_err();
    assert!(error.contains("row 0 has no label") && error.contains("clean.multi_label"), "{error}");
    rows.iter_mut().for_each(|row| row.labels = vec![0, 1]);
    let error = run_with(home.path(), &rows, true, &config()).unwrap_err();
    assert!(error.contains("all 120 rows have the labels \"no\", \"yes\": there is nothing to learn"), "{error}");
}

#[test]
fn data_that_cannot_be_split_is_refused() {
    refused(&[], &config(), &["examples.parquet has no rows", "(4)"]);
    let mut twice = hundred();
    twice[7].id = 6;
    refused(&twice, &config(), &["has the id 6 twice", "(4)"]);
    let mut odd = hundred();
    odd[7].labels = vec![2];
    refused(&odd, &config(), &["row 7 has the label 2, but labels.json has 2 (from 0)", "(4)"]);
    odd[7].labels = vec![];
    refused(&odd, &config(), &["row 7 has no label", "(4)"]);
    let one: Vec<Example> = hundred().into_iter().filter(|row| row.labels == [1]).collect();
    refused(&one, &config(), &["all 40 rows have the label \"yes\"", "clean.label_column", "(4)"]);
    let two: Vec<Example> = hundred().into_iter().skip(1).take(2).collect();
    refused(&two, &config(), &["the validation split would have no rows", "too few rows", "(4)"]);
    refused(
        &hundred(),
        &Config { test: 0.0, ..config() },
        &["the test split would have no rows", "`split.test`", "(4)"],
    );
    refused(&hundred(), &Config { test: 0.95, ..config() }, &["`test` = 0.95", "(3)"]);
}

#[test]
fn one_group_for_all_cannot_be_split() {
    let mut rows = hundred();
    rows.iter_mut().for_each(|row| row.group = Some("the same".to_owned()));
    refused(&rows, &config(), &["the validation split would have no rows", "too few groups", "(4)"]);
}

#[test]
fn a_label_that_training_never_sees_is_an_error() {
    let mut rows = hundred();
    for row in &mut rows {
        row.part = (row.labels == [1]).then_some(Part::Test);
    }
    let expected = "the train split has no row with the label \"yes\"; validation has 0, test has 40";
    refused(&rows, &config(), &[expected, "hint: a model cannot learn", "(4)"]);
}

#[test]
fn a_given_split_that_is_removed_as_leakage_is_reported() {
    let mut rows = hundred();
    rows[0].part = Some(Part::Validation);
    rows[1].part = Some(Part::Test);
    rows[1].text = "TEXT 0".to_owned();
    refused(&rows, &config(), &["the validation split would have no rows", "hint: 1 rows were removed", "(4)"]);
}

#[test]
fn inputs_that_are_missing_or_damaged_are_named() {
    let home = tempfile::tempdir().unwrap();
    run_in(home.path(), &hundred(), &config()).unwrap();
    let clean = home.path().join("clean");
    let io = stage_io(home.path());
    let error = |expected: &str| {
        let error = Split::run(&config(), &io).unwrap_err();
        assert!(error.render().contains(expected), "{}", error.render());
        assert_eq!(error.kind().exit_code(), 4);
    };
    std::fs::write(clean.join("labels.json"), "{}").unwrap();
    error("labels.json is not valid");
    std::fs::remove_file(clean.join("labels.json")).unwrap();
    error("the `clean` stage left no `labels.json`");
    LabelMap::new(vec!["a".to_owned(), "b".to_owned()]).unwrap().write(&clean.join("labels.json")).unwrap();
    std::fs::write(clean.join("examples.parquet"), "PAR1").unwrap();
    error("examples.parquet is cut off");
}
