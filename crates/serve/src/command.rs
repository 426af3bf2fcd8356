//! `predict`: texts in, answers out.

use std::io::{BufWriter, IsTerminal, Write, stdin, stdout};
use std::ops::ControlFlow;

use firebrand_pipeline::{Error, Result, progress};

use crate::cli::Predict;
use crate::input::Lines;
use crate::output::{self, Format};
use crate::predictor::{Answer, Predictor, Query};

/// Answers the arguments' texts, or else stdin's lines.
///
/// # Errors
/// When the bundle cannot be loaded, stdin is not text, a text is single where the model takes pairs or the other way round,
/// or stdout refuses.
pub(crate) fn predict(arguments: &Predict) -> Result<()> {
    let predictor = Predictor::load(&arguments.bundle, &arguments.device, arguments.batch_size.get())?;
    let format = Format { json: arguments.json, top_k: arguments.top_k.map(usize::from) };
    let mut session = Session { predictor, format, out: BufWriter::new(stdout().lock()), texts: 0, told_of_cut: false };
    if arguments.texts.is_empty() {
        if stdin().is_terminal() {
            progress::log("one text a line, please; Ctrl-D ends");
        }
        let mut lines = Lines::of_stdin();
        loop {
            let batch = lines.next_batch(arguments.batch_size.get())?;
            let texts: Vec<&str> = batch.iter().map(String::as_str).collect();
            let (queries, failed) = session.queries(&texts);
            if texts.is_empty() || session.answer(&queries)?.is_break() {
                return Ok(());
            }
            failed.map_or(Ok(()), Err)?;
        }
    }
    let texts: Vec<&str> = arguments.texts.iter().map(String::as_str).collect();
    let queries = if arguments.pair.is_empty() {
        let (queries, failed) = session.queries(&texts);
        failed.map_or(Ok(()), Err)?;
        queries
    } else {
        if arguments.pair.len() != texts.len() {
            let problem = format!("{} texts, but `--pair` is there {} times", texts.len(), arguments.pair.len());
            return Err(Error::usage(problem).hint("every text has its second one: `TEXT --pair TEXT`"));
        }
        texts.iter().zip(&arguments.pair).map(|(text, pair)| Query { text, pair: Some(pair) }).collect()
    };
    // There is nothing to break off after the last answer.
    session.answer(&queries).map(|_| ())
}

struct Session<W: Write> {
    predictor: Predictor,
    format: Format,
    out: W,
    /// Texts answered before.
    texts: usize,
    told_of_cut: bool,
}

impl<W: Write> Session<W> {
    /// Takes a pair apart at its first tab, where the model takes pairs. The error is about the first text that is none;
    /// those before it are to be answered first.
    fn queries<'a>(&self, texts: &[&'a str]) -> (Vec<Query<'a>>, Option<Error>) {
        if self.predictor.pairs() != Some(true) {
            return (texts.iter().map(|text| Query::from(*text)).collect(), None);
        }
        let mut queries = Vec::with_capacity(texts.len());
        for (text, number) in texts.iter().zip(self.texts + 1..) {
            let Some((text, pair)) = text.split_once('\t') else {
                return (queries, Some(self.predictor.other_kind(number)));
            };
            queries.push(Query { text, pair: Some(pair) });
        }
        (queries, None)
    }

    fn answer(&mut self, queries: &[Query<'_>]) -> Result<ControlFlow<()>> {
        let answers = self.predictor.predict(queries)?;
        self.tell_of_cut(&answers);
        self.texts += queries.len();
        output::write(&mut self.out, self.format, queries, &answers)
    }

    /// Only the first text that was cut: a file of long ones would be a flood.
    fn tell_of_cut(&mut self, answers: &[Answer]) {
        let cut = answers.iter().zip(self.texts + 1..).find(|(answer, _)| answer.cut > 0);
        if let Some((answer, number)) = cut.filter(|_| !self.told_of_cut) {
            self.told_of_cut = true;
            progress::log(&format!(
                "warning: text {number} is longer than the {} tokens that the model takes: {} were cut off (further such \
                 texts are not reported)",
                self.predictor.max_length(),
                answer.cut
            ));
        }
    }
}
