//! Answers on stdout, one a line.

use std::io::{self, Write};
use std::ops::ControlFlow;

use firebrand_pipeline::{Result, ResultExt};
use serde::Serialize;

use crate::predictor::{Answer, Query, Score};

/// How answers are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// One JSON object per text, rather than columns.
    pub(crate) json: bool,
    /// How many labels are shown. `None`: one in columns, all in JSON; all in both where a text has any number of labels.
    pub(crate) top_k: Option<usize>,
}

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'a str>,
    label: &'a str,
    score: f32,
    scores: &'a [Score],
}

/// The same where a text has any number of labels.
#[derive(Serialize)]
struct LineOfSeveral<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'a str>,
    /// Those that the text is given.
    labels: Vec<&'a str>,
    scores: &'a [Score],
}

/// Writes the texts' answers. Breaks when whoever reads has seen enough (`| head`): that is no error.
///
/// # Errors
/// When the system refuses: a full disk.
pub(crate) fn write(
    out: &mut impl Write,
    format: Format,
    queries: &[Query<'_>],
    answers: &[Answer],
) -> Result<ControlFlow<()>> {
    let written = queries
        .iter()
        .zip(answers)
        .try_for_each(|(query, answer)| {
            if format.json {
                write_json(out, format, *query, answer)
            } else {
                write_columns(out, format, *query, answer)
            }
        })
        .and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error).or_other(|| "cannot write to stdout".to_owned()),
    }
}

fn write_json(out: &mut impl Write, format: Format, query: Query<'_>, answer: &Answer) -> io::Result<()> {
    let scores = shown(answer, format.top_k.unwrap_or(usize::MAX));
    let Query { text, pair } = query;
    if let Some(given) = answer.given {
        let labels = answer.scores.iter().take(given).map(|score| score.label.as_str()).collect();
        serde_json::to_writer(&mut *out, &LineOfSeveral { text, pair, labels, scores })?;
    } else {
        serde_json::to_writer(&mut *out, &Line { text, pair, label: &answer.label, score: answer.score, scores })?;
    }
    out.write_all(b"\n")
}

/// `label<TAB>score` for each label that is shown, and the text last: it may have tabs of its own, and a pair has one. Where
/// a text has any number of labels, a star behind the score marks those that it is given.
fn write_columns(out: &mut impl Write, format: Format, query: Query<'_>, answer: &Answer) -> io::Result<()> {
    let most = if answer.given.is_some() { usize::MAX } else { 1 };
    for (place, Score { label, score }) in shown(answer, format.top_k.unwrap_or(most)).iter().enumerate() {
        let mark = if answer.given.is_some_and(|given| place < given) { "*" } else { "" };
        write!(out, "{label}\t{score:.4}{mark}\t")?;
    }
    // A text given as an argument may have lines, and an answer is one.
    let line = |text: &str| text.replace("\r\n", " ").replace(['\n', '\r'], " ");
    match query.pair {
        Some(pair) => writeln!(out, "{}\t{}", line(query.text), line(pair)),
        None => writeln!(out, "{}", line(query.text)),
    }
}

fn shown(answer: &Answer, most: usize) -> &[Score] {
    &answer.scores[..answer.scores.len().min(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: bool, top_k: Option<usize>, text: &str) -> String {
        let score = |label: &str, score| Score { label: label.to_owned(), score };
        let scores = vec![score("good", 0.75), score("bad", 0.25)];
        let answer = Answer { label: "good".to_owned(), score: 0.75, given: None, scores, cut: 0 };
        let mut out = Vec::new();
        assert!(write(&mut out, Format { json, top_k }, &[text.into()], &[answer]).unwrap().is_continue());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_is_one_line() {
        assert_eq!(written(false, None, "a\tfine\r\nfilm\nindeed"), "good\t0.7500\ta\tfine film indeed\n");
        assert_eq!(
            written(true, None, "a\n\"film\""),
            "{\"text\":\"a\\n\\\"film\\\"\",\"label\":\"good\",\"score\":0.75,\
             \"scores\":[{\"label\":\"good\",\"score\":0.75},{\"label\":\"bad\",\"score\":0.25}]}\n"
        );
    }

    #[test]
    fn any_number_of_labels_is_marked() {
        let score = |label: &str, score| Score { label: label.to_owned(), score };
        let scores = vec![score("war", 0.875), score("politics", 0.5), score("sport", 0.25)];
        let written = |json, top_k, given| {
            let answer =
                Answer { label: "war".to_owned(), score: 0.875, given: Some(given), scores: scores.clone(), cut: 0 };
            let mut out = Vec::new();
            assert!(write(&mut out, Format { json, top_k }, &["a".into()], &[answer]).unwrap().is_continue());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(false, None, 2), "war\t0.8750*\tpolitics\t0.5000*\tsport\t0.2500\ta\n");
        assert_eq!(written(false, Some(1), 0), "war\t0.8750\ta\n");
        assert_eq!(
            written(true, Some(1), 2),
            "{\"text\":\"a\",\"labels\":[\"war\",\"politics\"],\"scores\":[{\"label\":\"war\",\"score\":0.875}]}\n"
        );
        assert!(written(true, None, 0).starts_with("{\"text\":\"a\",\"labels\":[],"));
    }

    #[test]
    fn a_pair_shows_both_texts() {
        let answer = Answer { label: "good".to_owned(), score: 0.75, given: None, scores: vec![], cut: 0 };
        let query = Query { text: "a\nb", pair: Some("c") };
        let written = |json| {
            let mut out = Vec::new();
            let written = write(&mut out, Format { json, top_k: None }, &[query], std::slice::from_ref(&answer));
            assert!(written.unwrap().is_continue());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(false), "a b\tc\n");
        assert_eq!(
            written(true),
            "{\"text\":\"a\\nb\",\"pair\":\"c\",\"label\":\"good\",\"score\":0.75,\"scores\":[]}\n"
        );
    }

    #[test]
    fn top_k_says_how_many_labels_are_shown() {
        assert_eq!(written(false, Some(2), "a"), "good\t0.7500\tbad\t0.2500\ta\n");
        assert_eq!(written(false, Some(9), "a"), "good\t0.7500\tbad\t0.2500\ta\n");
        assert!(written(true, Some(1), "a").ends_with("\"scores\":[{\"label\":\"good\",\"score\":0.75}]}\n"));
    }

    /// Stands for `| head`, and for a full disk.
    struct Refusing(io::ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_a_closed_pipe_is_no_error() {
        for json in [false, true] {
            let answer = Answer { label: "a".to_owned(), score: 1.0, given: None, scores: Vec::new(), cut: 0 };
            let format = Format { json, top_k: None };
            let to = |kind| write(&mut Refusing(kind), format, &["text".into()], std::slice::from_ref(&answer));
            assert!(to(io::ErrorKind::BrokenPipe).unwrap().is_break());
            assert!(to(io::ErrorKind::StorageFull).is_err());
        }
    }
}
