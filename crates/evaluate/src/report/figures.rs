//! All figures side by side.

use firebrand_metrics::Figures;

use super::Report;
use super::table::Table;
use crate::html::{count, figure};

/// The figures of the model on both parts, and of the baselines.
pub(super) fn section(report: &Report<'_>) -> String {
    let mut columns = vec![("Test", &report.test_outcome.figures), ("Validation", &report.validation_outcome.figures)];
    if let Some(baselines) = report.baselines {
        columns.push(("TF-IDF (test)", &baselines.classic.test));
        columns.push(("Most frequent (test)", &baselines.majority.test));
    }
    let head: Vec<&str> = ["Figure"].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(&head);
    type Cell = fn(&Figures) -> String;
    let several = report.labels.is_multi_label();
    let rows: [(&str, Cell); 12] = [
        (if several { "All labels right" } else { "Accuracy" }, |figures| figure(figures.accuracy)),
        ("Macro precision", |figures| figure(figures.averages.macro_.precision)),
        ("Macro recall", |figures| figure(figures.averages.macro_.recall)),
        ("Macro F1", |figures| figure(figures.macro_f1)),
        ("Weighted F1", |figures| figure(figures.averages.weighted.f1)),
        ("Micro F1", |figures| figure(figures.averages.micro.f1)),
        ("Hamming loss", |figures| optional(figures.hamming_loss)),
        ("Matthews correlation", |figures| optional(figures.matthews_correlation)),
        ("Area under the ROC curve", |figures| optional(figures.roc_auc)),
        ("Log loss (nats)", |figures| optional(figures.log_loss)),
        ("Brier score", |figures| optional(figures.brier_score)),
        ("Expected calibration error", |figures| {
            optional(figures.calibration.as_ref().map(|calibration| calibration.expected_error))
        }),
    ];
    // With one label per row micro F1 is the accuracy and nothing is lost; with several there is no correlation of them.
    let absent: &[&str] = if several { &["Matthews correlation"] } else { &["Micro F1", "Hamming loss"] };
    for (name, cell) in rows.into_iter().filter(|(name, _)| !absent.contains(name)) {
        let cells: Vec<String> = columns.iter().map(|(_, figures)| cell(figures)).collect();
        table.row(name, &cells);
    }
    let cells: Vec<String> = columns.iter().map(|(_, figures)| count(figures.rows)).collect();
    table.sum("rows", &cells);
    super::section("All figures", "", &table.html())
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), figure)
}
