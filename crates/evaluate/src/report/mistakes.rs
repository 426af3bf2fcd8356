//! The most confident mistakes: often wrong labels in the data, otherwise weaknesses of the model.

use maud::{Markup, html};

use super::Report;
use crate::display::{count, percent, shorten};

/// Texts with more characters than this are collapsed.
const SHORT: usize = 320;
/// Longer texts are truncated to this number of characters.
const LONG: usize = 6000;
/// Maximum number of labels shown per row.
const MAX_TAGS: usize = 12;

/// The list of mistakes; empty if it is switched off.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let show = report.config.show_mistakes;
    if show == 0 {
        return html! {};
    }
    let mistakes = report.test_outcome.mistakes(report.test);
    if mistakes.is_empty() {
        let none = html! { p { "None: every test row is classified correctly." } };
        return super::section("Mistakes", "", none);
    }
    let total = mistakes.len();
    let shown = mistakes.iter().take(show);
    let note = format!(
        "The {} most confident of {} mistakes. Some may be wrong labels in the data.",
        count(show.min(total) as u64),
        count(total as u64)
    );
    let list = html! { ol class="mistakes" { @for &row in shown { (item(report, row)) "\n" } } };
    super::section("Most confident mistakes", &note, list)
}

fn item(report: &Report<'_>, row: usize) -> Markup {
    let outcome = report.test_outcome;
    let (first, second) = report.test.text(row);
    let (truth, predicted) = (&report.test.truth[row], &outcome.evaluation.predicted[row]);
    let multi_label = report.labels.is_multi_label();
    // In multi-label data, labels in both sets are not mistakes.
    let only = |some: &[u32], others: &[u32]| -> Vec<u32> {
        some.iter().filter(|label| !multi_label || !others.contains(label)).copied().collect()
    };
    let between = if multi_label { "wrongly assigned" } else { "predicted as" };
    html! {
        li {
            p class="labels" {
                @if multi_label { span class="as" { "missed" } }
                (tags(report, &only(truth, predicted), "right"))
                span class="as" { (between) }
                (tags(report, &only(predicted, truth), "wrong"))
                span class="sure" { (percent(f64::from(outcome.confidence_in_mistake(report.test, row)))) " confident" }
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
        @for &label in labels.iter().take(MAX_TAGS) { (tag(report.label(label))) }
        @if labels.len() > MAX_TAGS { (tag(&format!("and {} more", labels.len() - MAX_TAGS))) }
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
