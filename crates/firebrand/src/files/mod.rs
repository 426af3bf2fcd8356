//! `predict` over files: rows in, the same rows with predictions out.
//!
//! Invariants: memory does not depend on the number of rows; every row of the input is in the output once, in its order,
//! whatever is wrong with it; a run that was killed and continued, and several shards behind each other, give what a
//! single run gives.

mod bytes;
mod format;
mod journal;
mod parquet;
mod predicted;
mod rows;
mod sink;
mod source;
mod survey;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrand_pipeline::{Error, ErrorKind, Result, on_interrupt, progress, thousands};
use firebrand_tables::wording::counted;
use firebrand_tables::{BadRows, Header, Interface, Quote, ReadOptions, Role, character};
use serde_json::{Map, json};

use self::bytes::{Digest, digest_of};
use self::format::Format;
use self::journal::{Journal, Plan, Progress};
use self::predicted::{Outcome, Predicted, Shape};
use self::sink::{Sink, Step};
use self::source::{Source, TextColumns};
use self::survey::Survey;
use crate::cli::{self, Predict, Shard};
use crate::predictor::{Answer, Predictor, Query};
use firebrand_infer::Refusal;

/// Rows that are given to the model at once. They start at multiples of this, in shards too, so that the same rows are
/// computed side by side however the input is split: the last digits of a score may depend on that.
const BLOCK_ROWS: u64 = 256;

/// A step ends early when its rows take so much memory.
const STEP_BYTES: usize = 16 << 20;

/// Rows without a prediction that stderr lists; the rest is only counted.
const LISTED: u64 = 20;

/// The files and how they are read and written.
struct Files<'a> {
    input: &'a Path,
    format: (Format, bool),
    options: ReadOptions,
    output: &'a Path,
    output_format: Format,
}

/// Classifies the rows of a file.
///
/// # Errors
/// When the bundle cannot be loaded, the files cannot be read or written, the user interrupts the run, or, after the output
/// was written, when rows of it have no prediction.
pub(crate) fn predict(arguments: &Predict, input: &Path, output: &Path) -> Result<()> {
    let files = Files::new(arguments, input, output)?;
    let predictor = Predictor::load(arguments)?;
    let named = [&arguments.files.text_column, &arguments.files.pair_column];
    let named: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
    let survey = Survey::of(input, files.format, &files.options, &named)?;
    survey.layout.iter().flat_map(|layout| &layout.notes).for_each(|note| tracing::info!("{note}"));
    let columns = text_columns(arguments, &files, &survey, &predictor)?;
    let predicted = Predicted::new(shape(arguments, &predictor)?, &survey.names())?;
    let plan = plan(arguments, &predictor, &files, &survey, columns, &predicted)?;
    let journal = Journal::open(output, plan, arguments.files.restart)?;
    let rows = arguments.files.shard.map_or(0..survey.rows, |shard| rows_of(shard, survey.rows));
    let run = Run {
        predictor: &predictor,
        labels: predictor.labels().iter().cloned().zip(0..).collect(),
        files: &files,
        survey: &survey,
        columns,
        predicted,
        rows,
        step_rows: (arguments.files.part_rows.get() as u64).next_multiple_of(BLOCK_ROWS),
    };
    run.work(journal)
}

impl<'a> Files<'a> {
    fn new(arguments: &Predict, input: &'a Path, output: &'a Path) -> Result<Self> {
        let shown = input.display();
        let metadata = std::fs::metadata(input).map_err(|error| Error::io("read", input, &error))?;
        if !metadata.is_file() {
            return Err(Error::usage(format!("the input {shown} is not a file: it is read twice"))
                .hint("texts from a pipe, one per line, go without `--input`"));
        }
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
            return Err(Error::usage(format!("there is no directory {} for the output", parent.display())));
        }
        if output.exists() && input.canonicalize().ok() == output.canonicalize().ok() {
            return Err(Error::usage(format!("the output {shown} is the input")).hint("choose another name"));
        }
        Ok(Self {
            input,
            format: Format::of_input(input)?,
            options: read_options(&arguments.files)?,
            output,
            output_format: Format::of_output(output)?,
        })
    }
}

fn read_options(files: &cli::Files) -> Result<ReadOptions> {
    let one = |option: &str, text: &str, also: &str| {
        character(text).ok_or_else(|| {
            Error::usage(format!("`--{option} {text}` is not one ASCII character")).hint(format!("or `{also}`"))
        })
    };
    let separator = match files.separator.as_deref() {
        None => None,
        Some("tab") => Some(b'\t'),
        Some(text) => Some(one("separator", text, "tab")?),
    };
    let quote = match files.quote.as_deref() {
        None => Quote::Detect,
        Some("none") => Quote::None,
        Some(text) => Quote::Is(one("quote", text, "none")?),
    };
    if let (Some(separator), Quote::Is(quote)) = (separator, quote)
        && separator == quote
    {
        return Err(Error::usage("`--separator` and `--quote` are the same character"));
    }
    let encoding = match &files.encoding {
        None => None,
        Some(name) => Some(encoding_rs::Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            Error::usage(format!("`--encoding {name}` is no encoding that is known here"))
                .hint("for example utf-8, windows-1252, utf-16le, shift_jis, gbk, koi8-r")
        })?),
    };
    let header = match files.header {
        cli::Header::Auto => None,
        cli::Header::True => Some(true),
        cli::Header::False => Some(false),
    };
    Ok(ReadOptions { separator, quote, encoding, header, bad_rows: BadRows::Drop, interface: Interface::CommandLine })
}

/// The columns that the user names; otherwise that of the texts is inferred as in training, and a single one is it.
fn text_columns(arguments: &Predict, files: &Files<'_>, survey: &Survey, predictor: &Predictor) -> Result<TextColumns> {
    let (names, file) = (survey.names(), files.input.display().to_string());
    let header = Header { file: &file, names: &names, interface: Interface::CommandLine };
    let named = |key: &str, name: &Option<String>| name.as_ref().map(|name| header.named(key, name)).transpose();
    let pair = named("pair_column", &arguments.files.pair_column)?;
    match (predictor.pairs(), pair) {
        (Some(true), None) => {
            return Err(Error::usage("the model was trained on pairs of texts: it needs a second column")
                .hint("name it: --pair-column NAME"));
        }
        (Some(false), Some(_)) => {
            return Err(Error::usage("`--pair-column` is given, but the model was trained on single texts")
                .hint("leave it out"));
        }
        _ => {}
    }
    let by_content = survey.layout.as_ref().and_then(|layout| layout.by_content).map(|(text, _)| text);
    let text =
        match named("text_column", &arguments.files.text_column)?.or(by_content.filter(|text| pair != Some(*text))) {
            Some(text) => text,
            None if names.len() == 1 => 0,
            None => header.inferred(&pair.into_iter().collect::<Vec<_>>(), Role::Text)?,
        };
    if pair == Some(text) {
        return Err(Error::usage(format!("the column `{}` cannot hold both texts of a pair", names[text]))
            .hint("name two columns: --text-column NAME --pair-column NAME"));
    }
    Ok(TextColumns { text, pair })
}

fn shape(arguments: &Predict, predictor: &Predictor) -> Result<Shape> {
    let multi_label = predictor.is_multi_label();
    Ok(Shape {
        labels: predictor.labels().to_vec(),
        multi_label,
        top_k: arguments.top_k.map_or(if multi_label { usize::MAX } else { 1 }, usize::from),
        threshold: predictor.threshold(),
        scores: arguments.files.scores,
    })
}

/// Everything that the output depends on.
fn plan(
    arguments: &Predict,
    predictor: &Predictor,
    files: &Files<'_>,
    survey: &Survey,
    columns: TextColumns,
    predicted: &Predicted,
) -> Result<Plan> {
    let (names, shape) = (survey.names(), &predicted.shape);
    let digest = |digest: &Digest| json!({ "bytes": digest.bytes, "blake3": digest.hash });
    let name = |column: usize| names.get(column).cloned().unwrap_or_default();
    let values = [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("input", digest(&survey.digest)),
        ("bundle", fingerprint(&arguments.bundle)?),
        ("output_format", json!(files.output_format)),
        ("text_column", json!(name(columns.text))),
        ("pair_column", json!(columns.pair.map(name))),
        ("top_k", json!(shape.top_k)),
        ("threshold", json!(shape.threshold)),
        ("scores", json!(shape.scores)),
        ("shard", json!(arguments.files.shard.map(|shard| shard.to_string()))),
        ("part_rows", json!(arguments.files.part_rows)),
        ("separator", json!(arguments.files.separator)),
        ("quote", json!(arguments.files.quote)),
        ("header", json!(arguments.files.header.name())),
        ("encoding", json!(arguments.files.encoding)),
        ("precision", json!(predictor.precision())),
    ];
    Ok(values.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>())
}

/// The digests of the files of a bundle that predictions depend on.
fn fingerprint(bundle: &Path) -> Result<serde_json::Value> {
    let mut digests = Map::new();
    let known = |name: &str| {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("json" | "safetensors" | "txt" | "model" | "bin"))
    };
    for directory in ["", "int8"] {
        let Ok(entries) = std::fs::read_dir(bundle.join(directory)) else { continue };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        for name in names.iter().filter(|name| known(name)) {
            let path = bundle.join(directory).join(name);
            if path.is_file() {
                digests.insert(format!("{directory}/{name}"), json!(digest_of(&path)?.hash));
            }
        }
    }
    // Short enough to be shown when it differs.
    Ok(json!(firebrand_pipeline::hash::bytes(serde_json::Value::Object(digests).to_string().as_bytes())))
}

/// The rows of a shard: contiguous, and whole blocks.
fn rows_of(shard: Shard, rows: u64) -> Range<u64> {
    let blocks = rows.div_ceil(BLOCK_ROWS);
    let end = |index: u64| {
        // Wide enough for any number of rows and shards.
        let block = u128::from(blocks) * u128::from(index) / u128::from(shard.count);
        u64::try_from(block).unwrap_or(blocks).saturating_mul(BLOCK_ROWS).min(rows)
    };
    end(shard.index - 1)..end(shard.index)
}

/// Everything that a run needs.
struct Run<'a> {
    predictor: &'a Predictor,
    /// The labels' indices.
    labels: HashMap<String, usize>,
    files: &'a Files<'a>,
    survey: &'a Survey,
    columns: TextColumns,
    predicted: Predicted,
    /// The rows of the shard.
    rows: Range<u64>,
    /// Rows of a step: whole blocks.
    step_rows: u64,
}

impl Run<'_> {
    fn work(&self, mut journal: Journal) -> Result<()> {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        on_interrupt(move || {
            if flag.swap(true, Ordering::Relaxed) {
                // Twice: at once. The journal allows it.
                std::process::exit(ErrorKind::Interrupted.exit_code().into());
            }
        })?;
        let before = journal.progress();
        let total = self.rows.end - self.rows.start;
        if before.rows > 0 {
            tracing::info!("continuing after {} of {} rows", thousands(before.rows), thousands(total));
        }
        let Files { input, format, options, output, output_format } = self.files;
        let first = self.rows.start + before.rows;
        let mut source = Source::open(input, *format, options, self.survey, self.columns, *output_format)?;
        if before.rows < total {
            source.skip(first)?;
        }
        let from = (*input, format.0);
        let mut sink = Sink::new(*output_format, from, self.survey, self.predicted.clone(), first)?;
        let bar = progress::Progress::start("predict", total);
        bar.start_from(before.rows);
        while journal.progress().rows < total {
            let mut now = journal.progress();
            let step = self.step(&mut source, &mut now, &bar, &stopped)?;
            sink.write_part(&journal.next_part(), &step)?;
            journal.commit(Progress { parts: now.parts + 1, ..now })?;
        }
        bar.finish();
        let done = journal.progress();
        journal.finish(|parts, path| sink.join(parts, path))?;
        report(&done, output)
    }

    /// Reads and classifies the rows of a step. `now` counts them.
    fn step(
        &self,
        source: &mut Source,
        now: &mut Progress,
        bar: &progress::Progress,
        stopped: &AtomicBool,
    ) -> Result<Step> {
        let mut step = Step::default();
        let mut bytes = 0;
        loop {
            let row = self.rows.start + now.rows;
            let is_full = step.rows.len() as u64 >= self.step_rows || bytes >= STEP_BYTES;
            if row >= self.rows.end || is_full {
                self.classify(&mut step, now, bar)?;
                return Ok(step);
            }
            let Some(next) = source.next()? else {
                let shown = self.files.input.display();
                return Err(Error::data(format!("{shown} has fewer rows than a moment ago: it was changed meanwhile")));
            };
            bytes += next.bytes;
            step.rows.push(next);
            now.rows += 1;
            if (row + 1).is_multiple_of(BLOCK_ROWS) {
                self.classify(&mut step, now, bar)?;
                if stopped.load(Ordering::Relaxed) {
                    let done = thousands(now.rows - step.rows.len() as u64);
                    return Err(Error::new(ErrorKind::Interrupted, format!("interrupted; {done} rows are kept"))
                        .hint("the same command continues"));
                }
            }
        }
    }

    /// Classifies those rows of a step that have no outcome yet.
    fn classify(&self, step: &mut Step, now: &mut Progress, bar: &progress::Progress) -> Result<()> {
        let first = step.outcomes.len();
        let new = &step.rows[first..];
        let texts = new.iter().filter_map(|row| row.texts.as_ref().ok());
        let queries: Vec<Query<'_>> =
            texts.map(|texts| Query { text: &texts.text, pair: texts.pair.as_deref() }).collect();
        let mut answers = self.predictor.predict(&queries).into_iter();
        let mut outcomes = Vec::with_capacity(new.len());
        for row in new {
            outcomes.push(match &row.texts {
                Err(why) => Outcome::refused(why.clone()),
                Ok(_) => {
                    let answer = answers.next().unwrap_or(Err(Refusal::NotFinite));
                    count(&answer, now);
                    self.predicted.outcome(answer, &self.labels)
                }
            });
        }
        let row = self.rows.start + now.rows - new.len() as u64;
        for (number, outcome) in (row + 1..).zip(&outcomes) {
            if let Some(why) = outcome.error() {
                now.refused += 1;
                match now.refused {
                    ..=LISTED => tracing::error!("row {number}: {why}"),
                    refused if refused == LISTED + 1 => tracing::error!("further such rows are only counted"),
                    _ => {}
                }
            }
        }
        bar.inc(new.len() as u64);
        step.outcomes.append(&mut outcomes);
        Ok(())
    }
}

fn count(answer: &Result<Answer, Refusal>, now: &mut Progress) {
    if let Ok(answer) = answer {
        now.empty += u64::from(answer.empty);
        now.truncated += u64::from(answer.truncated_tokens > 0);
    }
}

/// What is left to be said.
///
/// # Errors
/// When rows have no prediction.
fn report(done: &Progress, output: &Path) -> Result<()> {
    let rows = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "row");
    let shown = output.display();
    tracing::info!("{} written to {shown}", rows(done.rows));
    if done.empty > 0 {
        let what = rows(done.empty);
        tracing::warn!("{what} had no text left after cleaning, so the predictions there mean nothing");
    }
    if done.truncated > 0 {
        tracing::warn!("{} had more tokens than the model takes and were truncated", rows(done.truncated));
    }
    if done.refused == 0 {
        return Ok(());
    }
    Err(Error::data(format!("{} of {} could not be classified", thousands(done.refused), rows(done.rows)))
        .hint(format!("the last column of {shown} says why")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_whole_blocks_and_leave_nothing_out() {
        for (rows, count) in [(0, 3), (1, 3), (1000, 1), (1000, 3), (10_000, 7), (u64::MAX, 5)] {
            let mut end = 0;
            for index in 1..=count {
                let range = rows_of(Shard { index, count }, rows);
                assert_eq!(range.start, end);
                assert!(range.start.is_multiple_of(BLOCK_ROWS) || range.is_empty());
                end = range.end;
            }
            assert_eq!(end, rows);
        }
        assert_eq!(rows_of(Shard { index: 2, count: 3 }, 3 * BLOCK_ROWS), BLOCK_ROWS..2 * BLOCK_ROWS);
    }
}
