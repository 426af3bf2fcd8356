//! Tests of the whole stage, run in this process.

mod fields;
mod foreign;
mod labels;
mod multi_label;
mod outputs;
mod pairs;
mod properties;
mod refusals;
mod repeats;

use std::path::PathBuf;

use firebrand_dataset::{Example, LabelMap, read_examples};
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::{Error, Request, Slot, Stage, StageIo};
use serde_json::Value;

use crate::{Clean, Config};

/// Fetched files and a directory for the outputs.
pub(crate) struct Bench {
    home: tempfile::TempDir,
    pub(crate) config: Config,
}

impl Bench {
    /// The default configuration, except that labels may have few rows.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let mut config: Config = default_section(Slot::Clean).unwrap();
        config.min_rows_per_label = 1;
        let bench = Self { home: tempfile::tempdir().unwrap(), config };
        std::fs::create_dir_all(bench.path("fetch/raw")).unwrap();
        std::fs::create_dir_all(bench.path("out")).unwrap();
        for (name, content) in files {
            let path = bench.path("fetch/raw").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        bench
    }

    pub(crate) fn csv(text: &str) -> Self {
        Self::new(&[("a.csv", text.as_bytes())])
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    pub(crate) fn run(&self) -> Result<(), Error> {
        Clean::run(
            &self.config,
            &StageIo::new(Request { output: self.path("out"), ..Request::in_dir(self.home.path(), Slot::Clean) }),
        )
    }

    /// Runs the stage and checks that every row is accounted for.
    pub(crate) fn done(self) -> Self {
        if let Err(error) = self.run() {
            panic!("{}", error.render());
        }
        let report = self.report();
        let number = |value: &Value| value.as_u64().unwrap();
        let dropped: u64 = report["rows"]["dropped"].as_object().unwrap().values().map(number).sum();
        assert_eq!(number(&report["rows"]["read"]), number(&report["rows"]["kept"]) + dropped, "{report}");
        assert_eq!(number(&report["rows"]["kept"]), self.examples().len() as u64);
        let given: usize = self.examples().iter().map(|row| row.labels.len()).sum();
        assert_eq!(given as u64, report["labels"].as_object().unwrap().values().map(number).sum::<u64>());
        let several = self.config.multi_label || !self.config.label_columns.is_empty();
        assert!(several || self.examples().iter().all(|row| row.labels.len() == 1));
        self
    }

    pub(crate) fn refused(&self) -> String {
        let error = self.run().expect_err("it must be refused");
        assert_eq!(error.kind().exit_code(), 4, "{}", error.render());
        assert!(!self.path("out/examples.parquet").exists());
        error.render()
    }

    pub(crate) fn report(&self) -> Value {
        firebrand_pipeline::read_json(&self.path("out/report.json")).unwrap()
    }

    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        self.report()["rows"]["dropped"][reason].as_u64().unwrap()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        serde_json::from_value(self.report()["warnings"].clone()).unwrap()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        serde_json::from_value(self.report()["notes"].clone()).unwrap()
    }

    pub(crate) fn examples(&self) -> Vec<Example> {
        read_examples(&self.path("out/examples.parquet")).unwrap()
    }

    pub(crate) fn labels(&self) -> Vec<String> {
        LabelMap::read(&self.path("out/labels.json")).unwrap().names().to_vec()
    }

    /// Id, text and label name of every row.
    pub(crate) fn rows(&self) -> Vec<(u64, String, String)> {
        let names = self.labels();
        let row = |row: Example| (row.id, row.text, names[row.labels[0] as usize].clone());
        self.examples().into_iter().map(row).collect()
    }

    /// The ids of the rows that are kept.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.examples().iter().map(|row| row.id).collect()
    }
}
