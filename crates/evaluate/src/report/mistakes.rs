//! The mistakes that the model was most sure of: often wrong labels in the data, else what it does not understand.

use maud::{Markup, html};

use super::Report;
use crate::display::{count, percent, shorten};

/// Characters of a text that are shown at once; longer ones open on a click.
const SHORT: usize = 320;
/// Characters of a text that are shown at all.
const LONG: usize = 6000;
/// Labels of one row that are shown.
const MOST_TAGS: usize = 12;

/// The list; nothing where it is switched off.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let show = report.config.show_mistakes;
    if show == 0 {
        return html! {};
    }
    let mistakes = report.test_outcome.mistakes(report.test);
    if mistakes.is_empty() {
        let none = html! { p { "There are none: every test row was labelled right." } };
        return super::section("Mistakes", "", none);
    }
    let total = mistakes.len();
    let shown = mistakes.iter().take(show);
    let note = format!(
        "The {} of {} wrong answers that the model was most sure of. Some may be wrong labels in the data.",
        count(show.min(total) as u64),
        count(total as u64)
    );
    let list = html! { ol class="mistakes" { @for &row in shown { (item(report, row)) "\n" } } };
    super::section("Most confident mistakes", &note, list)
}

fn item(report: &Report<'_>, row: usize) -> Markup {
    let outcome = report.test_outcome;
    let (first, second) = report.test.text(row);
    let (truth, predicted) = (&report.test.truth[row], &outcome.answers.predicted[row]);
    let multi_label = report.labels.is_multi_label();
    // With any number of labels, what both have is no mistake.
    let only = |some: &[u32], others: &[u32]| -> Vec<u32> {
        some.iter().filter(|label| !multi_label || !others.contains(label)).copied().collect()
    };
    let between = if multi_label { "wrongly given" } else { "taken for" };
    html! {
        li {
            p class="labels" {
                @if multi_label { span class="as" { "missed" } }
                (tags(report, &only(truth, predicted), "right"))
                span class="as" { (between) }
                (tags(report, &only(predicted, truth), "wrong"))
                span class="sure" { (percent(f64::from(outcome.confidence_in_mistake(report.test, row)))) " sure" }
                span class="id" { "row " (report.test.ids[row]) }
            }
            (text(first))
            @if let Some(second) = second { (text(second)) }
        }
    }
}

fn tags(report: &Report<'_>, labels: &[u32], tone: &str) -> Markup {
    let tag = |name: &str| html! { span class=(format_args!("tag {tone}")) dir="auto" { (name) } };
    html! {
        @if labels.is_empty() { (tag("(none)")) }
        @for &label in labels.iter().take(MOST_TAGS) { (tag(report.label(label))) }
        @if labels.len() > MOST_TAGS { (tag(&format!("and {} more", labels.len() - MOST_TAGS))) }
    }
}

fn text(text: &str) -> Markup {
    let short = shorten(text, SHORT);
    html! {
        @if text.chars().nth(SHORT).is_none() {
            p class="quote" dir="auto" { (short) }
        } @else {
            details {
                summary class="quote" dir="auto" { (short) }
                p class="quote" dir="auto" { (shorten(text, LONG)) }
            }
        }
    }
}
