//! What the model learned from and was measured on.

use maud::{Markup, html};

use super::Report;
use super::table::Table;
use crate::display::{count, percent};
use crate::rows::Rows;

/// More labels than this are shown on a click.
const OPEN_LABELS: usize = 20;

/// Rows of every part and label, and how long they are.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let all = report.labels.len();
    let content = html! {
        div class="pair" {
            @if all > OPEN_LABELS {
                details { summary { "Rows of all " (count(all as u64)) " labels" } (rows(report)) }
            } @else {
                (rows(report))
            }
            (lengths(report))
        }
    };
    let note = "Shares are of the part. The training part is the one that the model saw, with augmented rows if there are any.";
    super::section("Data", note, content)
}

fn rows(report: &Report<'_>) -> Markup {
    let parts = [report.train, report.validation, report.test];
    let counts = parts.map(|part| part.per_label(report.labels.len()));
    let share = |rows: u64, part: &Rows| format!("{} ({})", count(rows), percent(rows as f64 / part.len() as f64));
    let mut table = Table::new(&["Label", "Training", "Validation", "Test"]);
    for (label, name) in report.labels.names().iter().enumerate() {
        table.row(name, &[0, 1, 2].map(|part| share(counts[part][label], parts[part])));
    }
    if report.labels.is_multi_label() {
        table.row("(no label)", &parts.map(|part| share(part.unlabelled(), part)));
    }
    table.sum("all rows", &parts.map(|part| count(part.len() as u64)));
    table.html()
}

fn lengths(report: &Report<'_>) -> Markup {
    let mut table = Table::new(&["Tokens per row", "Training", "Validation", "Test"]);
    let lengths = report.lengths;
    table.row("median", &lengths.map(|part| count(part.median)));
    table.row("longest, after truncation", &lengths.map(|part| count(part.longest)));
    table.row(
        "truncated rows",
        &lengths.map(|part| format!("{} ({})", count(part.cut_rows), percent(part.cut_share()))),
    );
    table.row("tokens cut off", &lengths.map(|part| count(part.cut_tokens)));
    table.html()
}
