//! The `evaluate` stage: evaluates the model on held-out rows and compares it with baselines.
//!
//! Reads `labels.json` of clean, the validation and test rows of split, the training rows of augment (for the baselines),
//! the tokens of tokenize, and train's `model/`, `metrics.jsonl` and `summary.json`. Writes
//!
//! - `metrics.json`: every figure of the model and the baselines ([`firebrand_metrics::Figures`]), the model compared with
//!   each, and `findings`: problems that the main figures do not show;
//! - `predictions.parquet`: the model's prediction for every test row;
//! - `reference.json`: statistics of the validation split and its predictions, to measure drift against;
//! - `confusion.svg` (for multi-label data: labels found, missed and wrongly assigned) and `report.html`, for people. The
//!   report is a single file that opens offline.
//!
//! Rows are joined and sorted by id, so the order of rows in the files does not matter.

mod baseline;
mod compare;
mod config;
mod display;
mod document;
mod findings;
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
use firebrand_metrics::{Figures, Task};
use firebrand_pipeline::{Error, Result, Slot, Stage, StageIo};

pub use config::Config;

use baseline::Baselines;
use compare::{Judgement, compare};
use document::{Document, Measured};
use findings::{Kind, findings};
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
            [Split::read(io, "validation.parquet", &labels)?, Split::read(io, "test.parquet", &labels)?];
        let train = Rows::read(&io.input(Slot::Augment, "train.parquet")?, &labels)?;
        let train_lengths = Lengths::of(&read_tokens(&io.input(Slot::Tokenize, "train.parquet")?)?);
        let summary = io.optional_input(Slot::Train, "summary.json")?;
        let training = Training::read(&io.input(Slot::Train, "metrics.jsonl")?, summary.as_deref())?;

        let model = Model::load(&io.input(Slot::Train, "model")?, config, &labels)?;
        // With many labels, probabilities dominate memory use: those of only one split and one system are kept at a time.
        let mut baselines = fit_baselines(config, io, &train, [&validation.rows, &test.rows], &labels)?;
        let progress = io.progress("rows", (validation.rows.len() + test.rows.len()) as u64);
        let predict = |split: &Split| {
            let probabilities = model.probabilities(&split.tokens, &mut |done| progress.inc(done))?;
            Outcome::new(&split.rows, probabilities, &labels)
        };
        let outcome = predict(&validation)?;
        let reference = Reference::new(&labels, &validation.rows, &validation.tokens, &outcome);
        let validation_evaluation = outcome.evaluation;
        drop(outcome.probabilities);
        let mut outcome = predict(&test)?;
        progress.finish();

        let task = Task::new(labels.is_multi_label());
        compare(&test.rows, task, &mut outcome.evaluation, baselines.as_mut());
        let comparison = baselines.as_ref().and_then(|baselines| baselines.tfidf.comparison.as_ref());
        let judgement = comparison.map(Judgement::new);
        let findings = findings(&labels, &outcome.evaluation, &validation_evaluation, baselines.as_ref());
        let document = Document {
            labels: labels.names(),
            multi_label: labels.is_multi_label(),
            findings: &findings,
            judgement: judgement.as_ref(),
            test: &outcome.evaluation.figures,
            validation: &validation_evaluation.figures,
            baselines: baselines.as_ref().map(|baselines| Measured::new(&labels, baselines)),
            model: &model.facts,
        };
        io.write_json("metrics.json", &document)?;
        io.write_json("reference.json", &reference)?;
        write(io, "confusion.svg", &picture(&outcome.evaluation.figures, &labels))?;
        let report = Report {
            run: io.run_name(),
            config,
            labels: &labels,
            model: &model.facts,
            train: &train,
            validation: &validation.rows,
            test: &test.rows,
            lengths: [train_lengths, Lengths::of(&validation.tokens), Lengths::of(&test.tokens)],
            validation_evaluation: &validation_evaluation,
            test_outcome: &outcome,
            baselines: baselines.as_ref(),
            judgement: judgement.as_ref(),
            findings: &findings,
            training: &training,
        };
        write(io, "report.html", &report.html())?;
        log_figures(io, &outcome.evaluation.figures, baselines.as_ref(), &labels);
        // If TF-IDF is at least as good, a finding says so.
        let told = findings.iter().any(|finding| finding.kind == Kind::NoBetterThanTfidf);
        judgement.iter().filter(|_| !told).for_each(|judgement| io.log(&judgement.message));
        findings.iter().for_each(|finding| io.warn(&finding.message));
        write_predictions(&io.output("predictions.parquet"), &outcome.into_predictions(&test.rows))
    }
}

/// Fits and evaluates the baselines, unless the configuration switches them off.
fn fit_baselines(
    config: &Config,
    io: &StageIo,
    train: &Rows,
    [validation, test]: [&Rows; 2],
    labels: &LabelMap,
) -> Result<Option<Baselines>> {
    if !config.baselines {
        return Ok(None);
    }
    io.log("fitting the baselines");
    let progress = io.progress("TF-IDF baseline", baseline::progress_total(train, labels));
    let baselines = baseline::measure(train, validation, test, labels, &|done| progress.inc(done))?;
    progress.finish();
    Ok(Some(baselines))
}

/// `confusion.svg`.
fn picture(figures: &Figures, labels: &LabelMap) -> String {
    match &figures.confusion {
        Some(confusion) => svg::Confusion::new(confusion, labels.names()).standalone(),
        None => svg::Decisions::new(&figures.classes, labels.names()).standalone(),
    }
}

fn log_figures(io: &StageIo, figures: &Figures, baselines: Option<&Baselines>, labels: &LabelMap) {
    let details = match &figures.confusion {
        Some(confusion) => terminal::confusion(confusion, labels.names()),
        None => terminal::decisions(&figures.classes, labels.names()),
    };
    for line in terminal::figures(figures, baselines).into_iter().chain(details) {
        io.log(line);
    }
}

/// The rows of a split that the model is evaluated on, and their tokens in the same order.
struct Split {
    rows: Rows,
    tokens: Vec<TokenRow>,
}

impl Split {
    fn read(io: &StageIo, file: &str, labels: &LabelMap) -> Result<Self> {
        let rows = Rows::read(&io.input(Slot::Split, file)?, labels)?;
        let tokens = rows.read_tokens(&io.input(Slot::Tokenize, file)?)?;
        Ok(Self { rows, tokens })
    }
}

fn read_labels(io: &StageIo) -> Result<LabelMap> {
    let labels = LabelMap::read(&io.input(Slot::Clean, "labels.json")?)?;
    if labels.len() < 2 {
        return Err(Error::data(format!("there is only one label, `{}`: nothing to classify", labels.names()[0]))
            .hint("a classifier needs rows of at least two labels: check `clean.label_column`"));
    }
    Ok(labels)
}

fn write(io: &StageIo, path: &str, content: &str) -> Result<()> {
    let path = io.output(path);
    fs::write(&path, content).map_err(|error| Error::io("write", &path, &error))
}
