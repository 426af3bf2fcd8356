//! Firebrand stage: texts into token ids, by the pretrained model's own tokenizer.
//!
//! Rows are cut to one length and not padded: that is the batch's business. How many rows lose how much is counted and said.
//! A row may be a pair of texts; then all are.

mod config;
mod kind;
mod model;
mod report;
#[cfg(test)]
mod tests;

use std::thread;

use firebrand_dataset::{Example, TokenRow, read_examples, write_tokens};
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Result, Slot, Stage, StageIo};
use firebrand_text::TextTokenizer;

pub use config::Config;
use kind::Kind;
use model::ModelFacts;
use report::{PartReport, Report};

/// The stage.
#[derive(Debug)]
pub struct Tokenize;

impl Stage for Tokenize {
    const SLOT: Slot = Slot::Tokenize;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let pretrained = io.input(Slot::Fetch, "pretrained")?;
        let facts = ModelFacts::read(&pretrained)?;
        let own = TextTokenizer::own_max_length(&pretrained)?;
        let tokenizer = TextTokenizer::read(&pretrained, facts.max_length(config, own)?)?;
        facts.check(&tokenizer)?;
        let mut kind = Kind::read(io.optional_input(Slot::Clean, "text.json")?.as_deref())?;

        let mut part = |slot: Slot, name: &str| -> Result<PartReport> {
            let path = io.input(slot, name)?;
            let examples = read_examples(&path)?;
            kind.check(&examples, &path)?;
            if let Some(Example { text, pair: Some(pair), .. }) = examples.first() {
                facts.check_segments(&tokenizer.encode_pair(text, pair)?.type_ids)?;
            }
            let progress = io.progress(name.trim_end_matches(".parquet"), examples.len() as u64);
            let rows = tokenize(&tokenizer, examples, config.workers(), &progress)?;
            progress.finish();
            write_tokens(&io.output(name), &rows)?;
            Ok(PartReport::new(&rows, tokenizer.unknown_id()))
        };
        let [train, validation, test] = [
            part(Slot::Augment, "train.parquet")?,
            part(Slot::Split, "validation.parquet")?,
            part(Slot::Split, "test.parquet")?,
        ];
        let padding = tokenizer.padding();
        let report = Report {
            max_length: tokenizer.max_length(),
            pairs: kind.pairs(),
            pad_token: padding.token.as_ref().map(|token| token.content.clone()),
            pad_token_id: padding.token.as_ref().map(|token| token.id),
            pads_with_end: padding.is_end,
            train,
            validation,
            test,
        };
        for line in report.lines() {
            io.log(line);
        }
        tokenizer.write(&io.output("tokenizer"))?;
        io.write_json("report.json", &report)
    }
}

/// Tokenizes rows on several threads. The answer does not depend on how many.
fn tokenize(
    tokenizer: &TextTokenizer,
    mut examples: Vec<Example>,
    workers: usize,
    progress: &Progress,
) -> Result<Vec<TokenRow>> {
    /// Rows between two steps of the progress bar.
    const CHUNK: usize = 256;
    let share = examples.len().div_ceil(workers).max(1);
    let parts: Vec<Result<Vec<TokenRow>>> = thread::scope(|scope| {
        let threads: Vec<_> = examples
            .chunks_mut(share)
            .map(|examples| {
                scope.spawn(move || {
                    let mut rows = Vec::with_capacity(examples.len());
                    for chunk in examples.chunks_mut(CHUNK) {
                        for example in chunk.iter_mut() {
                            rows.push(row(tokenizer, example)?);
                        }
                        progress.inc(chunk.len() as u64);
                    }
                    Ok(rows)
                })
            })
            .collect();
        // A thread that panicked panics here too, with its own message.
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut rows = Vec::with_capacity(examples.len());
    for part in parts {
        rows.extend(part?);
    }
    Ok(rows)
}

fn row(tokenizer: &TextTokenizer, example: &mut Example) -> Result<TokenRow> {
    let encoded = match &example.pair {
        Some(pair) => tokenizer.encode_pair(&example.text, pair),
        None => tokenizer.encode(&example.text),
    };
    let encoded = encoded.map_err(|error| error.context(format!("cannot tokenize row {}", example.id)))?;
    Ok(TokenRow {
        id: example.id,
        ids: encoded.ids,
        type_ids: encoded.type_ids,
        labels: std::mem::take(&mut example.labels),
        weight: example.weight,
        cut: encoded.cut,
    })
}
