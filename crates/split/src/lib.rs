//! The `split` stage: training, validation and test split.
//!
//! Reads the clean stage's `examples.parquet` and `labels.json`; writes `train.parquet`, `validation.parquet`,
//! `test.parquet` and `report.json` (sizes, strata, leakage found and removed).
//!
//! - A split that comes with the data is kept as it is. A missing one is drawn from the rows without a given split or, if
//!   every row has one, from the training rows.
//! - Rows with equal texts (ignoring case and white space; both texts of a pair) or of the same group never end up in
//!   different splits. Rows that leak from a given test or validation split are removed from the others, and counted.
//! - Splits are stratified: each gets its share of every label, rounded up or down; groups and multi-label rows come as close
//!   as possible.

mod assign;
mod config;
mod iterative;
mod leaks;
mod plan;
#[cfg(test)]
mod properties;
mod report;
#[cfg(test)]
mod tests;
mod units;
mod verify;

use firebrand_dataset::{Example, LabelMap, Part, read_examples, write_examples};
use firebrand_pipeline::{Result, Slot, Stage, StageIo};

pub use config::Config;

use plan::{Plan, plan};
use report::Report;

/// The stage.
#[derive(Debug)]
pub struct Split;

impl Stage for Split {
    const SLOT: Slot = Slot::Split;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let path = io.input(Slot::Clean, "examples.parquet")?;
        let labels = LabelMap::read(&io.input(Slot::Clean, "labels.json")?)?;
        let rows = read_examples(&path)?;
        verify::check_rows(&rows, &labels, &path)?;
        let plan = plan(&rows, labels.is_multi_label(), config);
        verify::check_disjoint(&rows, &plan)?;
        let counts = verify::count(&rows, &labels, &plan);
        let warnings = verify::check_parts(&rows, &labels, &plan, &counts)?;
        for part in Part::ALL {
            write_examples(&io.output(&format!("{part}.parquet")), &rows_of(part, &rows, &plan))?;
        }
        let report = Report::new(&rows, &labels, &plan, &counts, &warnings, config);
        io.write_json("report.json", &report)?;
        io.log(report.summary());
        for warning in &warnings {
            io.warn(warning);
        }
        Ok(())
    }
}

/// The rows of a split, in order, with their `part` set.
fn rows_of(part: Part, rows: &[Example], plan: &Plan) -> Vec<Example> {
    let mine = rows.iter().zip(&plan.parts).filter(|(_, found)| **found == Some(part));
    mine.map(|(row, _)| Example { part: Some(part), ..row.clone() }).collect()
}
