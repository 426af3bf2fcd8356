//! Answers on stdout, one line for each text.

use std::io::{self, Write};
use std::ops::ControlFlow;

use firebrand_pipeline::{Result, ResultExt};
use serde::Serialize;

use crate::predictor::{Answer, Query, Score};
use firebrand_infer::Refusal;

/// How answers are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// One JSON object per text rather than columns.
    pub(crate) json: bool,
    /// How many labels are shown. `None`: all in JSON; in columns one, or all of a multi-label model.
    pub(crate) top_k: Option<usize>,
    /// How many labels the model has.
    pub(crate) labels: usize,
    /// Whether the model assigns any number of labels.
    pub(crate) multi_label: bool,
}

/// The JSON object of a text.
#[derive(Serialize)]
struct Object<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    /// The labels that a multi-label model assigns.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<&'a [Score]>,
    /// Only where true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    empty: bool,
    /// Only where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated_tokens: Option<u32>,
    /// In the place of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes the answers. Breaks when the reader has closed the pipe (`| head`), which is not an error.
///
/// # Errors
/// When the system refuses: a full disk.
pub(crate) fn write(
    out: &mut impl Write,
    format: Format,
    queries: &[Query<'_>],
    answers: &[Result<Answer, Refusal>],
) -> Result<ControlFlow<()>> {
    let written = queries
        .iter()
        .zip(answers)
        .try_for_each(|(&query, answer)| {
            if format.json { write_json(out, format, query, answer) } else { write_columns(out, format, query, answer) }
        })
        .and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error).or_other(|| "cannot write to stdout".to_owned()),
    }
}

fn write_json(
    out: &mut impl Write,
    format: Format,
    Query { text, pair }: Query<'_>,
    answer: &Result<Answer, Refusal>,
) -> io::Result<()> {
    let answered = answer.as_ref().ok();
    let first = answered.and_then(|answer| answer.scores.first()).filter(|_| !format.multi_label);
    let assigned = answered.and_then(|answer| Some((answer, answer.assigned?)));
    let object = Object {
        text,
        pair,
        label: first.map(|score| score.label.as_str()),
        score: first.map(|score| score.score),
        labels: assigned
            .map(|(answer, count)| answer.scores.iter().take(count).map(|score| score.label.as_str()).collect()),
        scores: answered.map(|answer| shown(answer, format.top_k.unwrap_or(usize::MAX))),
        empty: answered.is_some_and(|answer| answer.empty),
        truncated_tokens: answered.map(|answer| answer.truncated_tokens).filter(|&tokens| tokens > 0),
        error: answer.as_ref().err().map(|refusal| format!("the text {refusal}")),
    };
    serde_json::to_writer(&mut *out, &object)?;
    out.write_all(b"\n")
}

/// `label<TAB>score<TAB>` for each label that is shown, then the text, or both texts of a pair. A star behind the score marks
/// the labels that a multi-label model assigns. Where there is no answer, labels and scores are empty.
fn write_columns(
    out: &mut impl Write,
    format: Format,
    query: Query<'_>,
    answer: &Result<Answer, Refusal>,
) -> io::Result<()> {
    let most = format.top_k.unwrap_or(if format.multi_label { usize::MAX } else { 1 });
    match answer {
        Ok(answer) => {
            for (place, Score { label, score }) in shown(answer, most).iter().enumerate() {
                let mark = if answer.assigned.is_some_and(|assigned| place < assigned) { "*" } else { "" };
                write!(out, "{}\t{score:.4}{mark}\t", field(label))?;
            }
        }
        Err(_) => (0..most.min(format.labels)).try_for_each(|_| out.write_all(b"\t\t"))?,
    }
    match query.pair {
        Some(pair) => writeln!(out, "{}\t{}", field(query.text), field(pair)),
        None => writeln!(out, "{}", field(query.text)),
    }
}

/// A text as one field of one line, whatever a reader takes for the end of a line: each run of control characters and line
/// separators becomes a space.
fn field(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut field = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        if !breaks(c) {
            field.push(c);
        } else if !in_run {
            field.push(' ');
        }
        in_run = breaks(c);
    }
    field
}

fn shown(answer: &Answer, most: usize) -> &[Score] {
    &answer.scores[..answer.scores.len().min(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(label: &str, score: f32) -> Score {
        Score { label: label.to_owned(), score }
    }

    fn answer(scores: Vec<Score>) -> Answer {
        Answer { scores, assigned: None, truncated_tokens: 0, empty: false }
    }

    fn format(json: bool, top_k: Option<usize>) -> Format {
        Format { json, top_k, labels: 2, multi_label: false }
    }

    fn write_one(format: Format, query: Query<'_>, answer: Result<Answer, Refusal>) -> String {
        let mut out = Vec::new();
        assert!(write(&mut out, format, &[query], &[answer]).unwrap().is_continue());
        String::from_utf8(out).unwrap()
    }

    fn written(json: bool, top_k: Option<usize>, text: &str) -> String {
        write_one(format(json, top_k), text.into(), Ok(answer(vec![score("good", 0.75), score("bad", 0.25)])))
    }

    #[test]
    fn an_answer_is_one_line() {
        assert_eq!(written(false, None, "a\tfine\r\nfilm\nindeed"), "good\t0.7500\ta fine film indeed\n");
        assert_eq!(
            written(true, None, "a\n\"film\""),
            "{\"text\":\"a\\n\\\"film\\\"\",\"label\":\"good\",\"score\":0.75,\
             \"scores\":[{\"label\":\"good\",\"score\":0.75},{\"label\":\"bad\",\"score\":0.25}]}\n"
        );
    }

    #[test]
    fn hostile_labels_and_texts_stay_in_their_columns() {
        for hostile in ["a\tb", "a\nb", "a\r\nb", "a\u{b}b", "a\u{85}b", "a\u{2028}b", "a\u{1b}\0b"] {
            let scores = || vec![score(hostile, 0.75), score("x", 0.25)];
            let query = Query { text: hostile, pair: Some(hostile) };
            assert_eq!(
                write_one(format(false, Some(2)), query, Ok(answer(scores()))),
                "a b\t0.7500\tx\t0.2500\ta b\ta b\n"
            );
            let json = write_one(format(true, None), query, Ok(answer(scores())));
            assert_eq!(json.matches('\n').count(), 1, "{json}");
            let object: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!((&object["text"], &object["pair"]), (&hostile.into(), &hostile.into()));
            assert_eq!((&object["label"], &object["scores"][0]["label"]), (&hostile.into(), &hostile.into()));
        }
    }

    #[test]
    fn a_refused_text_keeps_its_line_and_says_why_in_json() {
        let refused = |format| write_one(format, "caf\u{fffd}".into(), Err(Refusal::NotUtf8(4)));
        assert_eq!(refused(format(false, None)), "\t\tcaf\u{fffd}\n");
        assert_eq!(refused(format(false, Some(9))), "\t\t\t\tcaf\u{fffd}\n");
        assert_eq!(refused(Format { multi_label: true, ..format(false, None) }), "\t\t\t\tcaf\u{fffd}\n");
        assert_eq!(
            refused(format(true, None)),
            "{\"text\":\"caf\u{fffd}\",\"error\":\"the text is not UTF-8: byte 4 cannot be read\"}\n"
        );
    }

    #[test]
    fn json_flags_empty_and_truncated_texts() {
        let answer = Answer { truncated_tokens: 7, empty: true, ..answer(vec![score("good", 1.0)]) };
        let json = write_one(format(true, Some(1)), "".into(), Ok(answer));
        assert!(
            json.ends_with("\"scores\":[{\"label\":\"good\",\"score\":1.0}],\"empty\":true,\"truncated_tokens\":7}\n")
        );
    }

    #[test]
    fn assigned_labels_are_marked() {
        let scores = vec![score("war", 0.875), score("politics", 0.5), score("sport", 0.25)];
        let written = |json, top_k, assigned| {
            let answer = Answer { assigned: Some(assigned), ..answer(scores.clone()) };
            write_one(Format { multi_label: true, labels: 3, ..format(json, top_k) }, "a".into(), Ok(answer))
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
        let query = Query { text: "a\nb", pair: Some("c") };
        let written = |json| write_one(format(json, None), query, Ok(answer(vec![score("good", 0.75)])));
        assert_eq!(written(false), "good\t0.7500\ta b\tc\n");
        assert_eq!(
            written(true),
            "{\"text\":\"a\\nb\",\"pair\":\"c\",\"label\":\"good\",\"score\":0.75,\
             \"scores\":[{\"label\":\"good\",\"score\":0.75}]}\n"
        );
    }

    #[test]
    fn top_k_limits_the_labels() {
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
            let answers = [Ok(answer(vec![score("a", 1.0)]))];
            let to = |kind| write(&mut Refusing(kind), format(json, None), &["text".into()], &answers);
            assert!(to(io::ErrorKind::BrokenPipe).unwrap().is_break());
            assert!(to(io::ErrorKind::StorageFull).is_err());
        }
    }
}
