//! The data that the model was trained and evaluated on.

use maud::{Markup, html};

use super::Report;
use super::table::Table;
use crate::display::{count, percent};
use crate::rows::Rows;

/// With more labels than this, the table is collapsed.
const OPEN_LABELS: usize = 20;

/// Rows per split and label, and their lengths.
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
    let note = "Shares of each split. Training rows include augmented rows.";
    super::section("Data", note, content)
}

fn rows(report: &Report<'_>) -> Markup {
    let splits = [report.train, report.validation, report.test];
    let counts = splits.map(|split| split.per_label(report.labels.len()));
    let share = |rows: u64, split: &Rows| format!("{} ({})", count(rows), percent(rows as f64 / split.len() as f64));
    let mut table = Table::new(&["Label", "Training", "Validation", "Test"]);
    for (label, name) in report.labels.names().iter().enumerate() {
        table.row(name, &[0, 1, 2].map(|split| share(counts[split][label], splits[split])));
    }
    if report.labels.is_multi_label() {
        table.row("(no label)", &splits.map(|split| share(split.unlabelled(), split)));
    }
    table.sum("all rows", &splits.map(|split| count(split.len() as u64)));
    table.html()
}

fn lengths(report: &Report<'_>) -> Markup {
    let mut table = Table::new(&["Tokens per row", "Training", "Validation", "Test"]);
    let lengths = report.lengths;
    table.row("median", &lengths.map(|split| count(split.median)));
    table.row("longest, after truncation", &lengths.map(|split| count(split.longest)));
    table.row(
        "truncated rows",
        &lengths.map(|split| format!("{} ({})", count(split.truncated_rows), percent(split.truncated_share()))),
    );
    table.row("tokens lost to truncation", &lengths.map(|split| count(split.lost_tokens)));
    table.html()
}
