//! Firebrand stage: turns texts into token ids with the pretrained model's own tokenizer.
//!
//! Rows are truncated to a maximum length but not padded, as padding depends on the batch. The log and `report.json` say how
//! much is truncated, how many tokens are unknown, and which rows have equal tokens. Either all rows are single texts, or all
//! are pairs.

mod ambiguity;
mod config;
mod kind;
mod model;
mod report;
#[cfg(test)]
mod tests;

use std::thread;

use firebrand_dataset::{Example, LabelMap, Part, TokenRow, read_examples, write_tokens};
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, Result, Slot, Stage, StageIo};
use firebrand_text::TextTokenizer;

use ambiguity::{Ambiguity, EqualRows, Groups, Row};
pub use config::Config;
use kind::Kind;
use model::ModelFacts;
use report::{Labels, PartReport, Report};

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
        let (max_length, remark) = facts.max_length(config, own, !io.is_set("max_length"))?;
        let tokenizer = TextTokenizer::read(&pretrained, max_length)?;
        remark.into_iter().for_each(|remark| io.log(remark));
        tokenizer.warnings().iter().for_each(|warning| io.warn(warning));
        facts.check(&tokenizer)?;
        let mut kind = Kind::read(io.optional_input(Slot::Clean, "text.json")?.as_deref())?;
        let labels = io.optional_input(Slot::Clean, "labels.json")?.map(|path| LabelMap::read(&path)).transpose()?;
        let labels = Labels(labels);
        let mut groups = Groups::default();

        let mut split = |part: Part| -> Result<PartReport> {
            let name = format!("{}.parquet", part.name());
            let path = io.input(slot_of(part), &name)?;
            let examples = read_examples(&path)?;
            kind.check(&examples, &path)?;
            if let Some(Example { text, pair: Some(pair), .. }) = examples.first() {
                facts.check_segments(&tokenizer.encode_pair(text, pair)?.type_ids)?;
            }
            let progress = io.progress(part.name(), examples.len() as u64);
            let rows = tokenize(&tokenizer, examples, config.workers(), &progress)?;
            progress.finish();
            write_tokens(&io.output(&name), &rows)?;
            groups.add(part, &rows, tokenizer.unknown_id());
            Ok(PartReport::new(&rows, tokenizer.unknown_id(), &labels))
        };
        let [train, validation, test] = [split(Part::Train)?, split(Part::Validation)?, split(Part::Test)?];
        let padding = tokenizer.padding();
        let (ambiguity, example) = groups.finish();
        let example = example.map(|rows| describe(io, &tokenizer, &labels, rows)).transpose()?;
        let report = Report {
            max_length: tokenizer.max_length(),
            pairs: kind.pairs(),
            pad_token: padding.token.as_ref().map(|token| token.content.clone()),
            pad_token_id: padding.token.as_ref().map(|token| token.id),
            pads_with_end: padding.is_end,
            ambiguity: Ambiguity { example, ..ambiguity },
            train,
            validation,
            test,
        };
        report.remarks().iter().for_each(|remark| io.log(remark));
        report.warnings().iter().for_each(|warning| io.warn(warning));
        tokenizer.write(&io.output("tokenizer"))?;
        io.write_json("report.json", &report)
    }
}

/// The stage that writes a split.
fn slot_of(part: Part) -> Slot {
    if part == Part::Train { Slot::Augment } else { Slot::Split }
}

/// Describes two rows with equal tokens. Reads their texts again, as keeping all texts takes much memory.
fn describe(io: &StageIo, tokenizer: &TextTokenizer, labels: &Labels, rows: [Row; 2]) -> Result<EqualRows> {
    let [first, second] = rows.map(|Row { part, id }| -> Result<Option<Example>> {
        let path = io.input(slot_of(part), &format!("{}.parquet", part.name()))?;
        Ok(read_examples(&path)?.into_iter().find(|example| example.id == id))
    });
    let (Some(first), Some(second)) = (first?, second?) else {
        return Err(Error::other("a row has vanished from the input while the stage was running"));
    };
    let encoded = row(tokenizer, &mut first.clone())?;
    let mut unknown = Vec::new();
    for text in [&first, &second].into_iter().flat_map(|example| [Some(&example.text), example.pair.as_ref()]).flatten()
    {
        for part in tokenizer.unknown_parts(text)? {
            if !unknown.contains(&part) {
                unknown.push(part);
            }
        }
    }
    let text = |example: &Example| match &example.pair {
        Some(pair) => format!("{}\t{pair}", example.text),
        None => example.text.clone(),
    };
    let names = |example: &Example| example.labels.iter().map(|&label| labels.name(label)).collect();
    Ok(EqualRows {
        rows: [first.id, second.id],
        texts: [text(&first), text(&second)],
        labels: [names(&first), names(&second)],
        tokens: tokenizer.tokens(&encoded.ids),
        unknown,
        truncated: encoded.cut > 0,
    })
}

/// Tokenizes rows on several threads; the result does not depend on their number.
fn tokenize(
    tokenizer: &TextTokenizer,
    mut examples: Vec<Example>,
    workers: usize,
    progress: &Progress,
) -> Result<Vec<TokenRow>> {
    /// Rows per step of the progress bar.
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
        // Propagates the panic of a worker thread with its message.
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
