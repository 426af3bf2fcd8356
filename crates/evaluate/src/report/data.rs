//! What the model learned from and was measured on.

use super::Report;
use super::table::Table;
use crate::html::{count, percent};
use crate::rows::Rows;

/// More labels than this are shown on a click.
const OPEN_LABELS: usize = 20;

/// Rows of every part and label, and how long they are.
pub(super) fn section(report: &Report<'_>) -> String {
    let mut rows = rows(report);
    if report.labels.len() > OPEN_LABELS {
        rows = format!("<details><summary>Rows of all {} labels</summary>{rows}</details>", report.labels.len());
    }
    let content = format!("<div class=\"pair\">{rows}{}</div>", lengths(report));
    let note = "Shares are of the part. The training part is the one that the model saw, with augmented rows if there are any.";
    super::section("Data", note, &content)
}

fn rows(report: &Report<'_>) -> String {
    let classes = report.labels.len();
    let parts = [report.train, report.validation, report.test];
    let counts = parts.map(|part| part.per_label(classes));
    let mut table = Table::new(&["Label", "Training", "Validation", "Test"]);
    for (label, name) in report.labels.names().iter().enumerate() {
        let cell = |part: usize| {
            let share = counts[part][label] as f64 / parts[part].len() as f64;
            format!("{} ({})", count(counts[part][label]), percent(share))
        };
        table.row(name, &[0, 1, 2].map(cell));
    }
    if report.labels.is_multi_label() {
        let cell = |part: &Rows| {
            format!("{} ({})", count(part.unlabelled()), percent(part.unlabelled() as f64 / part.len() as f64))
        };
        table.row("(no label)", &parts.map(cell));
    }
    table.sum("all rows", &parts.map(|part| count(part.len() as u64)));
    table.html()
}

fn lengths(report: &Report<'_>) -> String {
    let mut table = Table::new(&["Tokens per row", "Training", "Validation", "Test"]);
    let lengths = report.lengths;
    table.row("median", &lengths.map(|part| count(part.median)));
    table.row("longest, after cutting", &lengths.map(|part| count(part.longest)));
    table.row(
        "rows that were cut",
        &lengths.map(|part| format!("{} ({})", count(part.cut_rows), percent(part.cut_share()))),
    );
    table.row("tokens cut off", &lengths.map(|part| count(part.cut_tokens)));
    table.html()
}
