//! The `export` stage: makes the bundle that is deployed.
//!
//! Reads `tokenizer/` and `test.parquet` of tokenize, `model/` of train, `labels.json` and `text.json` of clean,
//! `predictions.parquet` and `metrics.json` of evaluate, and fetch's `source.json` for the card. Leaves `bundle/`, a
//! directory in the hub's layout that transformers loads (config.json, model.safetensors, the tokenizer's files, and a
//! model card as README.md), with `text.json`, `reference.json` where evaluate left one, and int8 weights in
//! `int8/model.safetensors`; and `parity.json`.
//!
//! Nothing is exported on trust: both weights files are loaded again from where they were written and measured on the test
//! part. The float32 model must answer as the trained and the evaluated one did; int8 must not cost more accuracy than
//! the configuration allows, else the export is refused (exit code 5).

mod answers;
mod baselines;
mod bundle;
mod card;
mod config;
mod parity;
mod rows;
mod source;
#[cfg(test)]
mod tests;

use std::fs;

use firebrand_dataset::LabelMap;
use firebrand_model::Classifier;
use firebrand_pipeline::{Error, Result, ResultExt, Slot, Stage, StageIo};

pub use config::Config;

use answers::Answers;
use card::Card;
use parity::{Difference, Gate, Int8, Measured, Parity};
use rows::TestRows;
use source::Sources;

/// The file of float32 weights, relative to the bundle.
const FP32_FILE: &str = "model.safetensors";

/// The stage.
#[derive(Debug)]
pub struct Export;

impl Stage for Export {
    const SLOT: Slot = Slot::Export;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let labels = LabelMap::read(&io.input(Slot::Clean, "labels.json")?)?;
        let rows = TestRows::read(&io.input(Slot::Tokenize, "test.parquet")?, &labels)?;
        let trained = bundle::load_trained(&io.input(Slot::Train, "model")?, &config.device, &labels)?;

        let bundle = io.output_dir("bundle")?;
        trained.save(&bundle).or_other(|| format!("cannot write the model into {}", bundle.display()))?;
        let max_length = bundle::copy_tokenizer(&io.input(Slot::Tokenize, "tokenizer")?, &bundle, &trained)?;
        let cleaning = bundle::copy_cleaning(io.optional_input(Slot::Clean, "text.json")?.as_deref(), &bundle)?;
        if let Some(reference) = io.optional_input(Slot::Evaluate, "reference.json")? {
            bundle::copy(&reference, &bundle.join("reference.json"))?;
        }

        let written = bundle::reload(&bundle, &trained, &config.device, &rows)?;
        let progress = io.progress("measure", rows.len() as u64 * if config.int8 { 2 } else { 1 });
        let answers = Answers::of(&written, &rows, config.batch_size, &mut |done| progress.inc(done))?;
        let predictions = io.input(Slot::Evaluate, "predictions.parquet")?;
        let predictions = rows.read_predictions(&predictions)?;
        let evaluate = Difference::from_evaluate(&answers, &predictions, &rows)?;
        let fp32 = Measured::new(FP32_FILE, bundle::size(&bundle.join(FP32_FILE))?, &answers);

        let int8 = if config.int8 {
            let quantized = trained.save_int8(&bundle).or_other(|| "cannot write the int8 weights".to_owned())?;
            let device = firebrand_model::device(&config.device)
                .map_err(|error| Error::key("device", format!("cannot be used: {error}")))?;
            let loaded = Classifier::load_int8(&bundle, &device)
                .or_data(|| "cannot load the int8 weights that were just written".to_owned())?;
            let rough = Answers::of(&loaded, &rows, config.batch_size, &mut |done| progress.inc(done))?;
            let bytes = bundle::size(&bundle.join(Classifier::INT8_FILE))?;
            Some(Int8::new(bytes, &rough, &answers, quantized))
        } else {
            None
        };
        progress.finish();

        let gate = Gate::pass(config, &fp32, int8.as_ref())?;
        let parity = Parity { rows: rows.len(), fp32, int8, evaluate, gate };
        let sources = Sources::read(io.optional_input(Slot::Fetch, "source.json")?.as_deref())?;
        let baselines = baselines::read_baselines(&io.input(Slot::Evaluate, "metrics.json")?)?;
        let card = Card {
            name: io.run_name(),
            classifier: &written,
            max_length,
            sources: &sources,
            cleaning: cleaning.as_ref(),
            figures: &answers.figures,
            baselines: &baselines,
            parity: &parity,
            cut_rows: rows.cut_rows(),
        };
        let readme = bundle.join("README.md");
        fs::write(&readme, card.render()).map_err(|error| Error::io("write", &readme, &error))?;
        io.write_json("parity.json", &parity)?;
        io.log(summary(&parity));
        Ok(())
    }
}

/// The line for the terminal.
fn summary(parity: &Parity) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let fp32 = &parity.fp32;
    let mut line = format!(
        "float32: {:.1} MB, test {} {:.4}, as trained and as evaluated",
        megabytes(fp32.bytes),
        fp32.score_name(),
        fp32.score()
    );
    if let Some(int8) = &parity.int8 {
        line.push_str(&format!(
            "; int8: {:.1} MB, {:.4} ({} of {} rows with other labels)",
            megabytes(int8.bytes),
            int8.score(),
            int8.labels_changed,
            parity.rows
        ));
    }
    line
}
