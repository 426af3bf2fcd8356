//! The mistakes that the model was most sure of: often wrong labels in the data, else what it does not understand.

use super::Report;
use crate::html::{count, escape, percent, shorten};

/// Characters of a text that are shown at once; longer ones open on a click.
const SHORT: usize = 320;
/// Characters of a text that are shown at all.
const LONG: usize = 6000;

/// The list; nothing where it is switched off.
pub(super) fn section(report: &Report<'_>) -> String {
    let show = report.config.show_mistakes;
    if show == 0 {
        return String::new();
    }
    let mistakes = report.test_outcome.mistakes(report.test);
    if mistakes.is_empty() {
        return super::section("Mistakes", "", "<p>There are none: every test row was labelled right.</p>");
    }
    let total = mistakes.len();
    let items: String = mistakes.into_iter().take(show).map(|row| item(report, row)).collect();
    let note = format!(
        "The {} of {} wrong answers that the model was most sure of. Some may be wrong labels in the data.",
        count(show.min(total) as u64),
        count(total as u64)
    );
    super::section("Most confident mistakes", &note, &format!("<ol class=\"mistakes\">\n{items}</ol>"))
}

fn item(report: &Report<'_>, row: usize) -> String {
    let outcome = report.test_outcome;
    let (first, second) = report.test.text(row);
    let [truth, predicted] = [report.test.truth[row], outcome.predicted[row]].map(|label| escape(report.label(label)));
    format!(
        "<li><p class=\"labels\"><span class=\"tag right\" dir=\"auto\">{truth}</span><span class=\"as\">taken for</span>\
         <span class=\"tag wrong\" dir=\"auto\">{predicted}</span><span class=\"sure\">{} sure</span>\
         <span class=\"id\">row {}</span></p>{}{}</li>\n",
        percent(f64::from(outcome.confidence(row))),
        report.test.ids[row],
        text(first),
        second.map(text).unwrap_or_default()
    )
}

fn text(text: &str) -> String {
    let short = escape(&shorten(text, SHORT));
    if text.chars().nth(SHORT).is_none() {
        return format!("<p class=\"quote\" dir=\"auto\">{short}</p>");
    }
    let long = escape(&shorten(text, LONG));
    format!(
        "<details><summary class=\"quote\" dir=\"auto\">{short}</summary><p class=\"quote\" dir=\"auto\">{long}</p></details>"
    )
}
