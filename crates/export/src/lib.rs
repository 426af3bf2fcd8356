//! The `export` stage: writes the bundle for deployment.
//!
//! Reads `tokenizer/`, `validation.parquet` and `test.parquet` of tokenize, `model/` of train, `examples.parquet`,
//! `labels.json` and `text.json` of clean, `predictions.parquet` and `metrics.json` of evaluate, and fetch's `source.json` for
//! the card. Writes `bundle/`, a directory in the hub's layout that transformers can load (config.json, model.safetensors, the
//! tokenizer's files, and a model card as README.md), with `text.json`, `reference.json` if evaluate left one, and int8
//! weights in `int8/model.safetensors`; and `parity.json`.
//!
//! Everything is verified. The written tokenizer must encode the texts as in training. Both weights files are loaded again
//! from the bundle and evaluated on the test split: the float32 model must give the same predictions as the trained and the
//! evaluated model, and int8 must not cost more accuracy or macro F1 than the configuration allows. Otherwise the export is
//! refused (exit code 5), and `parity.json` is kept for inspection.

mod baselines;
mod bundle;
mod card;
mod config;
mod gate;
mod markdown;
mod parity;
mod predictions;
mod rows;
mod source;
#[cfg(test)]
mod tests;
mod tokenization;

use std::fs;
use std::path::Path;

use firebrand_arch::INT8_FILE;
use firebrand_dataset::{LabelMap, read_tokens};
use firebrand_infer::Checksums;
use firebrand_model::Classifier;
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, Result, ResultExt, Slot, Stage, StageIo};
use firebrand_scorer::{Precision, Scorer};

pub use config::Config;

use card::Card;
use gate::Gate;
use parity::{Difference, Int8, Measured, Parity};
use predictions::Predictions;
use rows::TestRows;
use source::Sources;
use tokenization::{Encoder, Tokenization};

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

        let tokenization = compare_tokens(&bundle, &rows, io)?;

        let written = bundle::reload(&bundle, &trained, &config.device, &rows)?;
        let progress = io.progress("evaluate", rows.len() as u64 * if config.int8 { 2 } else { 1 });
        let scorer = Scorer::open(&bundle, &config.device, Precision::Fp32)?;
        let predictions = Predictions::of(&scorer, &rows, config.batch_size, &mut |done| progress.inc(done))?;
        let evaluated = rows.read_predictions(&io.input(Slot::Evaluate, "predictions.parquet")?)?;
        let evaluate = Difference::from_evaluate(&predictions, &evaluated, &rows)?;
        let fp32 = Measured::new(FP32_FILE, bundle::size(&bundle.join(FP32_FILE))?, &predictions);

        let int8 = if config.int8 {
            Some(write_int8(&bundle, &trained, &predictions, config, &rows, &progress)?)
        } else {
            None
        };
        progress.finish();

        let (gate, verdict) = Gate::check(config, &fp32, int8.as_ref());
        let parity = Parity { rows: rows.len(), tokenization, fp32, int8, evaluate, gate };
        io.write_json("parity.json", &parity)?;
        // The runner keeps the output of a failed stage until the next run.
        verdict.map_err(|error| {
            error.hint(format!("all figures are in {} until the next run", io.output("parity.json").display()))
        })?;
        let sources = Sources::read(io.optional_input(Slot::Fetch, "source.json")?.as_deref())?;
        let baselines = baselines::read_baselines(&io.input(Slot::Evaluate, "metrics.json")?)?;
        let card = Card {
            name: io.run_name(),
            classifier: &written,
            max_length,
            sources: &sources,
            cleaning: cleaning.as_ref(),
            figures: &predictions.figures,
            baselines: &baselines,
            parity: &parity,
            cut_rows: rows.cut_rows(),
        };
        let readme = bundle.join("README.md");
        fs::write(&readme, card.render()?).map_err(|error| Error::io("write", &readme, &error))?;
        Checksums::write(&bundle)?;
        io.log(summary(&parity));
        Ok(())
    }
}

/// Writes the int8 weights, loads them again and evaluates them.
fn write_int8(
    bundle: &Path,
    trained: &Classifier,
    fp32: &Predictions,
    config: &Config,
    rows: &TestRows,
    progress: &Progress,
) -> Result<Int8> {
    let quantized = trained.save_int8(bundle).or_other(|| "cannot write the int8 weights".to_owned())?;
    let scorer = Scorer::open(bundle, &config.device, Precision::Int8)?;
    let predictions = Predictions::of(&scorer, rows, config.batch_size, &mut |done| progress.inc(done))?;
    let bytes = bundle::size(&bundle.join(INT8_FILE))?;
    Ok(Int8::new(bytes, &predictions, fp32, quantized))
}

/// Encodes the validation and test texts with the files of the bundle.
fn compare_tokens(bundle: &Path, test: &TestRows, io: &StageIo) -> Result<Tokenization> {
    let validation = read_tokens(&io.input(Slot::Tokenize, "validation.parquet")?)?;
    let rows: Vec<_> = validation.iter().chain(test.rows()).collect();
    let progress = io.progress("compare tokens", rows.len() as u64);
    let tokenization = Encoder::read(bundle)?.compare(&io.input(Slot::Clean, "examples.parquet")?, &rows, &progress)?;
    progress.finish();
    if tokenization.texts == 0 {
        io.warn("no row of the token files has the id of an example: the bundle's tokenization was not compared");
    }
    Ok(tokenization)
}

/// The summary line for the log.
fn summary(parity: &Parity) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let fp32 = &parity.fp32;
    let mut line = format!(
        "float32: {:.1} MB, test {} {:.4}, same predictions as in evaluate",
        megabytes(fp32.bytes),
        fp32.score_name(),
        fp32.score()
    );
    if let Some(int8) = &parity.int8 {
        line.push_str(&format!(
            "; int8: {:.1} MB, {:.4} ({} of {} predictions changed)",
            megabytes(int8.measured.bytes),
            int8.measured.score(),
            int8.labels_changed,
            parity.rows
        ));
    }
    line
}
