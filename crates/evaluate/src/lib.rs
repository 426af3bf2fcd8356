//! The `evaluate` stage: measures the model on rows that it did not learn from, and baselines beside it.
//!
//! Reads `labels.json` of clean, the validation and test rows of split, the training rows of augment (for the baselines),
//! the tokens of tokenize, and train's `model/`, `metrics.jsonl` and `summary.json`. Leaves
//!
//! - `metrics.json`: every figure of the model and the baselines ([`firebrand_metrics::Figures`]);
//! - `predictions.parquet`: the model's answer to every test row;
//! - `reference.json`: what the validation part and the answers to it look like, for drift to be measured against;
//! - `confusion.svg` (where rows have any number of labels: what was found, missed and wrongly given of each) and
//!   `report.html`: for people. The report is one file that opens without a network.
//!
//! Rows are joined by their ids and measured in the order of these, so the order of rows in the files does not matter.

mod baseline;
mod config;
mod document;
mod html;
mod lengths;
mod model;
mod outcome;
mod reference;
mod report;
mod rows;
mod svg;
mod terminal;
#[cfg(test)]
mod tests;
mod training;
#[cfg(test)]
mod well_formed;

use std::fs;

use firebrand_dataset::{LabelMap, TokenRow, read_tokens, write_predictions};
use firebrand_pipeline::{Error, Result, Slot, Stage, StageIo};

pub use config::Config;

use document::Document;
use lengths::Lengths;
use model::Model;
use outcome::Outcome;
use reference::Reference;
use report::Report;
use rows::Rows;
use training::Training;

/// The stage.
#[derive(Debug)]
pub struct Evaluate;

impl Stage for Evaluate {
    const SLOT: Slot = Slot::Evaluate;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let labels = read_labels(io)?;
        let [validation, test] =
            [Part::read(io, "validation.parquet", &labels)?, Part::read(io, "test.parquet", &labels)?];
        let train = Rows::read(&io.input(Slot::Augment, "train.parquet")?, &labels)?;
        let train_lengths = Lengths::of(&read_tokens(&io.input(Slot::Tokenize, "train.parquet")?)?);
        let summary = io.optional_input(Slot::Train, "summary.json")?;
        let training = Training::read(&io.input(Slot::Train, "metrics.jsonl")?, summary.as_deref())?;

        let model = Model::load(&io.input(Slot::Train, "model")?, config, &labels)?;
        let progress = io.progress("rows", (validation.rows.len() + test.rows.len()) as u64);
        let ask = |part: &Part| {
            let probabilities = model.probabilities(&part.tokens, &mut |done| progress.inc(done))?;
            Outcome::new(&part.rows, probabilities, &labels)
        };
        let [validation_outcome, test_outcome] = [ask(&validation)?, ask(&test)?];
        progress.finish();
        let baselines = if config.baselines {
            io.log("fitting the baselines");
            Some(baseline::measure(&train, &validation.rows, &test.rows, &labels)?)
        } else {
            None
        };

        let document = Document::new(&labels, &test_outcome, &validation_outcome, baselines.as_ref(), &model.facts);
        io.write_json("metrics.json", &document)?;
        write_predictions(&io.output("predictions.parquet"), &test_outcome.predictions(&test.rows))?;
        let reference = Reference::new(&labels, &validation.rows, &validation.tokens, &validation_outcome);
        io.write_json("reference.json", &reference)?;
        let figures = &test_outcome.figures;
        let picture = match &figures.confusion {
            Some(confusion) => svg::confusion_alone(confusion, labels.names()),
            None => svg::decisions_alone(&figures.classes, labels.names()),
        };
        write(io, "confusion.svg", &picture)?;
        let report = Report {
            run: io.run_name(),
            config,
            labels: &labels,
            model: &model.facts,
            train: &train,
            validation: &validation.rows,
            test: &test.rows,
            lengths: [train_lengths, Lengths::of(&validation.tokens), Lengths::of(&test.tokens)],
            validation_outcome: &validation_outcome,
            test_outcome: &test_outcome,
            baselines: baselines.as_ref(),
            training: &training,
        };
        write(io, "report.html", &report.html())?;

        for line in terminal::figures(figures, baselines.as_ref()) {
            io.log(line);
        }
        let details = match &figures.confusion {
            Some(confusion) => terminal::confusion(confusion, labels.names()),
            None => terminal::decisions(&figures.classes, labels.names()),
        };
        for line in details {
            io.log(line);
        }
        Ok(())
    }
}

/// Rows that the model is measured on, and their tokens in the same order.
struct Part {
    rows: Rows,
    tokens: Vec<TokenRow>,
}

impl Part {
    fn read(io: &StageIo, file: &str, labels: &LabelMap) -> Result<Self> {
        let rows = Rows::read(&io.input(Slot::Split, file)?, labels)?;
        let tokens = rows.read_tokens(&io.input(Slot::Tokenize, file)?)?;
        Ok(Self { rows, tokens })
    }
}

fn read_labels(io: &StageIo) -> Result<LabelMap> {
    let labels = LabelMap::read(&io.input(Slot::Clean, "labels.json")?)?;
    if labels.len() < 2 {
        return Err(Error::data(format!("there is only one label, `{}`: nothing to tell apart", labels.names()[0]))
            .hint("a classifier needs rows of at least two labels: check `clean.label_column`"));
    }
    Ok(labels)
}

fn write(io: &StageIo, path: &str, content: &str) -> Result<()> {
    let path = io.output(path);
    fs::write(&path, content).map_err(|error| Error::io("write", &path, &error))
}
