//! The `augment` stage: adds marked variants to the training rows.
//!
//! Reads the split stage's `train.parquet`; leaves `train.parquet` and `report.json`. Validation and test rows are never
//! touched. With the method `"none"` the rows pass unchanged: the stage is the place where a custom one steps in.

mod config;

use firebrand_dataset::{read_examples, write_examples};
use firebrand_pipeline::{Error, Result, Slot, Stage, StageIo};
use serde::Serialize;

pub use config::Config;

use config::Method;

/// The stage.
#[derive(Debug)]
pub struct Augment;

/// `report.json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    method: &'a str,
    rows_in: usize,
    added: usize,
}

impl Stage for Augment {
    const SLOT: Slot = Slot::Augment;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.method().map(|_| ())
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let path = io.input(Slot::Split, "train.parquet")?;
        let originals = read_examples(&path)?;
        if originals.is_empty() {
            return Err(
                Error::data(format!("{} has no rows", path.display())).hint("see the report of the split stage")
            );
        }
        let rows_in = originals.len();
        let rows = match config.method()? {
            Method::None => originals,
        };
        write_examples(&io.output("train.parquet"), &rows)?;
        let added = rows.len() - rows_in;
        io.write_json("report.json", &Report { method: &config.method, rows_in, added })?;
        io.log(format!("{rows_in} rows for training, {added} variants added"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firebrand_dataset::{Example, Part};
    use firebrand_pipeline::Request;
    use std::path::Path;

    fn run(home: &Path, rows: &[Example]) -> Result<()> {
        let (split, out) = (home.join("split"), home.join("out"));
        for folder in [&split, &out] {
            std::fs::create_dir_all(folder).unwrap();
        }
        write_examples(&split.join("train.parquet"), rows).unwrap();
        let io = StageIo::new(Request { output: out, ..Request::in_dir(home, Slot::Augment) });
        Augment::run(&Config { method: "none".to_owned() }, &io)
    }

    #[test]
    fn rows_pass_unchanged() {
        let home = tempfile::tempdir().unwrap();
        let row = |id: u64| Example {
            id,
            text: format!("Größe {id} 🙂"),
            pair: (id == 2).then(|| "second".to_owned()),
            labels: vec![id as u32 % 2],
            group: (id == 3).then(|| "g".to_owned()),
            weight: 0.25,
            part: Some(Part::Train),
        };
        let rows: Vec<Example> = (0..7).map(row).collect();
        run(home.path(), &rows).unwrap();
        let read = |name: &str| std::fs::read(home.path().join(name)).unwrap();
        assert_eq!(read("out/train.parquet"), read("split/train.parquet"));
        assert_eq!(read_examples(&home.path().join("out/train.parquet")).unwrap(), rows);
        let report: serde_json::Value = serde_json::from_slice(&read("out/report.json")).unwrap();
        assert_eq!(report, serde_json::json!({ "method": "none", "rows_in": 7, "added": 0 }));
    }

    #[test]
    fn no_rows_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let error = run(home.path(), &[]).unwrap_err();
        assert!(error.message().ends_with("train.parquet has no rows"), "{error}");
        assert_eq!(error.kind().exit_code(), 4);
    }
}
