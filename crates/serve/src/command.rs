//! `predict`: texts in, answers out.

use std::io::{BufWriter, IsTerminal, Write, stdin, stdout};
use std::ops::ControlFlow;

use firebrand_pipeline::{Result, progress};

use crate::cli::Predict;
use crate::input::Lines;
use crate::output::{self, Format};
use crate::predictor::{Answer, Predictor};

/// Answers the arguments' texts, or else stdin's lines.
///
/// # Errors
/// When the bundle cannot be loaded, stdin is not text, or stdout refuses.
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
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            if batch.is_empty() || session.answer(&batch)?.is_break() {
                return Ok(());
            }
        }
    }
    let texts: Vec<&str> = arguments.texts.iter().map(String::as_str).collect();
    // There is nothing to break off after the last answer.
    session.answer(&texts).map(|_| ())
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
    fn answer(&mut self, texts: &[&str]) -> Result<ControlFlow<()>> {
        let answers = self.predictor.predict(texts)?;
        self.tell_of_cut(&answers);
        self.texts += texts.len();
        output::write(&mut self.out, self.format, texts, &answers)
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
