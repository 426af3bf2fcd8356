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
    let tags = |labels: &[u32], tone: &str| -> String {
        let tag = |name: &str| format!("<span class=\"tag {tone}\" dir=\"auto\">{}</span>", escape(name));
        if labels.is_empty() { tag("(none)") } else { labels.iter().map(|&label| tag(report.label(label))).collect() }
    };
    let truth = &report.test.truth[row];
    let predicted = &outcome.predicted[row];
    let (truth, predicted) = if report.labels.is_multi_label() {
        // What both have is no mistake.
        let missed: Vec<u32> = truth.iter().filter(|label| !predicted.contains(label)).copied().collect();
        let given: Vec<u32> = predicted.iter().filter(|label| !truth.contains(label)).copied().collect();
        (format!("<span class=\"as\">missed</span>{}", tags(&missed, "right")), tags(&given, "wrong"))
    } else {
        (tags(truth, "right"), tags(predicted, "wrong"))
    };
    let between = if report.labels.is_multi_label() { "wrongly given" } else { "taken for" };
    format!(
        "<li><p class=\"labels\">{truth}<span class=\"as\">{between}</span>\
         {predicted}<span class=\"sure\">{} sure</span>\
         <span class=\"id\">row {}</span></p>{}{}</li>\n",
        percent(f64::from(outcome.sureness(report.test, row))),
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
