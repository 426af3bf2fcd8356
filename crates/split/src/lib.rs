//! The `split` stage: rows into training, validation and test rows.
//!
//! Reads the clean stage's `examples.parquet` and `labels.json`; leaves `train.parquet`, `validation.parquet`,
//! `test.parquet` and `report.json` (what went where, leaks found and removed).
//!
//! - A part that the data comes with is kept as it is; only a missing one is drawn, from the rows that have no part, or,
//!   where every row has one, from the training rows.
//! - Rows with equal texts (but for case and space; of pairs, both texts) or of one group never stand on two sides. What a
//!   given test or validation part has is removed from the parts before it, and counted.
//! - Every part gets its share of every label, rounded up or down; groups, and rows with several labels, get as close to
//!   that as they can.

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
        verify::check_sides(&rows, &plan)?;
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

/// The rows of a part, in their order, each knowing the part it is in.
fn rows_of(part: Part, rows: &[Example], plan: &Plan) -> Vec<Example> {
    let mine = rows.iter().zip(&plan.parts).filter(|(_, found)| **found == Some(part));
    mine.map(|(row, _)| Example { part: Some(part), ..row.clone() }).collect()
}
