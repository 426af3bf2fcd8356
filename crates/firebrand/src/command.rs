//! `predict`: texts in, answers out.

use std::io::{BufWriter, IsTerminal, Write, stdin, stdout};
use std::ops::ControlFlow;

use firebrand_pipeline::{Error, Result};

use crate::cli::Predict;
use crate::files;
use crate::input::{Line, Lines};
use crate::notes::Notes;
use crate::output::{self, Format};
use crate::predictor::{Answer, Predictor, Query};
use firebrand_infer::Refusal;

/// Classifies the rows of a file, the texts of the command line, or else the lines of stdin.
///
/// # Errors
/// When the bundle cannot be loaded, stdin cannot be read, stdout cannot be written, or, after all texts were tried, when one
/// of them could not be classified.
pub(crate) fn predict(arguments: &Predict) -> Result<()> {
    if let (Some(input), Some(output)) = (&arguments.files.input, &arguments.files.output) {
        return files::predict(arguments, input, output);
    }
    check_pairs(arguments)?;
    let batch_size = arguments.batch_size.get();
    let predictor = Predictor::load(arguments)?;
    let format = Format {
        json: arguments.json,
        top_k: arguments.top_k.map(usize::from),
        labels: predictor.labels().len(),
        multi_label: predictor.is_multi_label(),
    };
    let mut session = Session { predictor, format, out: BufWriter::new(stdout().lock()), notes: Notes::default() };
    if arguments.texts.is_empty() {
        session.answer_stdin(batch_size)?;
    } else {
        session.answer_arguments(arguments, batch_size)?;
    }
    session.notes.finish()
}

/// Each text needs its second one, where there is any.
fn check_pairs(arguments: &Predict) -> Result<()> {
    let (texts, pairs) = (arguments.texts.len(), arguments.pair.len());
    if pairs == 0 || pairs == texts {
        return Ok(());
    }
    Err(Error::usage(format!("`--pair` is given {pairs} times for {texts} texts"))
        .hint("give each text its second one: `TEXT --pair TEXT`"))
}

struct Session<W: Write> {
    predictor: Predictor,
    format: Format,
    out: W,
    notes: Notes,
}

impl<W: Write> Session<W> {
    fn answer_arguments(&mut self, arguments: &Predict, batch_size: usize) -> Result<()> {
        let queries: Vec<Query<'_>> = if arguments.pair.is_empty() {
            arguments.texts.iter().map(|text| self.query(text)).collect()
        } else {
            let pairs = arguments.texts.iter().zip(&arguments.pair);
            pairs.map(|(text, pair)| Query { text, pair: Some(pair) }).collect()
        };
        for batch in queries.chunks(batch_size) {
            let answers = self.predictor.predict(batch);
            if self.write(batch, &answers)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn answer_stdin(&mut self, batch_size: usize) -> Result<()> {
        if stdin().is_terminal() {
            tracing::info!("enter one text per line; Ctrl-D ends");
        }
        let mut lines = Lines::of_stdin(batch_size);
        loop {
            let batch = lines.next_batch()?;
            if batch.is_empty() || self.answer_lines(&batch)?.is_break() {
                return Ok(());
            }
        }
    }

    fn answer_lines(&mut self, lines: &[Line]) -> Result<ControlFlow<()>> {
        let texts = lines.iter().filter_map(|line| match line {
            Line::Text(text) => Some(self.query(text)),
            Line::Refused { .. } => None,
        });
        let mut answers = self.predictor.predict(&texts.collect::<Vec<_>>()).into_iter();
        let rows = lines.iter().filter_map(|line| match line {
            Line::Text(text) => Some((self.query(text), answers.next()?)),
            Line::Refused { lossy, refusal } => Some((Query::from(lossy.as_str()), Err(refusal.clone()))),
        });
        let (queries, answers): (Vec<_>, Vec<_>) = rows.unzip();
        self.write(&queries, &answers)
    }

    fn write(&mut self, queries: &[Query<'_>], answers: &[Result<Answer, Refusal>]) -> Result<ControlFlow<()>> {
        answers.iter().for_each(|answer| self.notes.add(answer, self.predictor.max_length()));
        output::write(&mut self.out, self.format, queries, answers)
    }

    /// A text is split into a pair at its first tab, if the model takes pairs.
    fn query<'a>(&self, text: &'a str) -> Query<'a> {
        let pair = if self.predictor.pairs() == Some(true) { text.split_once('\t') } else { None };
        pair.map_or(Query::from(text), |(text, pair)| Query { text, pair: Some(pair) })
    }
}
