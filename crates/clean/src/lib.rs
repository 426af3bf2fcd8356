//! The `clean` stage: raw files into rows of text and labels.
//!
//! Reads fetch's `raw/`; leaves `examples.parquet`, `labels.json`, `text.json` (what is done to a text, which travels with the
//! model) and `report.json` (what became of every row).
//!
//! The steps, in this order, each counted: read; filter; missing texts and labels; rename labels; clean texts; empty and
//! short texts; similar labels; duplicates; conflicts. Then every label must have enough rows.
//!
//! Invariants: a row's id is its number among all source rows, so the report and every later stage can point back at it. The
//! label map does not depend on the order of rows. Rows of a given part never make rows of another part vanish.

mod calm;
mod columns;
mod config;
mod files;
mod labels;
mod nearest;
mod read;
mod repeats;
mod report;
mod rows;
mod settings;
mod steps;
#[cfg(test)]
mod tests;

use firebrand_dataset::{LabelMap, write_examples};
use firebrand_pipeline::{Result, Slot, Stage, StageIo};

pub use config::Config;

use settings::Settings;

/// The stage.
#[derive(Debug)]
pub struct Clean;

impl Stage for Clean {
    const SLOT: Slot = Slot::Clean;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        Settings::new(config).map(|_| ())
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let settings = Settings::new(config)?;
        let (loaded, report) = steps::run(&io.input(Slot::Fetch, "raw")?, &settings, io)?;
        let labels = LabelMap::new(report.labels.iter().map(|label| label.name.clone()).collect())?;
        write_examples(&io.output("examples.parquet"), &steps::examples(loaded.rows, &labels))?;
        labels.write(&io.output("labels.json"))?;
        settings.text.write(&io.output("text.json"))?;
        io.write_json("report.json", &report)?;
        for line in report.summary() {
            io.log(line);
        }
        Ok(())
    }
}
