//! All figures side by side.

use firebrand_metrics::{Difference, Figures, Interval};
use maud::{Markup, html};

use super::Report;
use super::table::Table;
use crate::compare::test_name;
use crate::display::{count, figure, optional, p_value};

/// A row of the table: its name, the figure, and the interval if there is one.
struct Shown {
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    interval: fn(&Figures) -> Option<Interval>,
}

impl Shown {
    fn plain(name: &'static str, figure: fn(&Figures) -> Option<f64>) -> Self {
        Self { name, figure, interval: |_| None }
    }

    fn cell(&self, figures: &Figures) -> String {
        let interval = (self.interval)(figures).map(|Interval { low, high }| format!(" ({low:.3} to {high:.3})"));
        optional((self.figure)(figures), 4) + &interval.unwrap_or_default()
    }
}

/// The figures of the model on both splits and of the baselines, and the paired tests.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let mut columns =
        vec![("Test", &report.test_outcome.evaluation.figures), ("Validation", &report.validation_evaluation.figures)];
    if let Some(baselines) = report.baselines {
        columns.push(("TF-IDF (test)", &baselines.tfidf.test.figures));
        columns.push(("Most frequent (test)", &baselines.majority.test.figures));
    }
    let head: Vec<&str> = ["Figure"].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(&head);
    for row in rows(report.labels.is_multi_label()) {
        let cells: Vec<String> = columns.iter().map(|(_, figures)| row.cell(figures)).collect();
        table.row(row.name, &cells);
    }
    let cells: Vec<String> = columns.iter().map(|(_, figures)| count(figures.rows)).collect();
    table.sum("rows", &cells);
    let content = html! { (table.html()) (differences(report)) };
    let note = "In brackets: 95 % intervals. A dash: the figure is undefined, as when a label has no rows.";
    super::section("All figures", note, content)
}

/// Micro F1 and Hamming loss are for multi-label data only: with one label per row micro F1 is the accuracy. Matthews
/// correlation is for single-label data only.
fn rows(multi_label: bool) -> Vec<Shown> {
    let accuracy = Shown {
        name: if multi_label { "All labels correct" } else { "Accuracy" },
        figure: |figures| Some(figures.accuracy),
        interval: |figures| Some(figures.accuracy_interval_95),
    };
    let macro_f1 = Shown {
        name: "Macro F1",
        figure: |figures| Some(figures.macro_f1),
        interval: |figures| figures.macro_f1_interval_95,
    };
    let mut rows = vec![
        accuracy,
        macro_f1,
        Shown::plain("Macro precision", |figures| figures.averages.macro_.precision),
        Shown::plain("Macro recall", |figures| figures.averages.macro_.recall),
        Shown::plain("Weighted F1", |figures| figures.averages.weighted.f1),
    ];
    if multi_label {
        let micro_f1 = Shown {
            name: "Micro F1",
            figure: |figures| figures.averages.micro.f1,
            interval: |figures| figures.micro_f1_interval_95,
        };
        rows.insert(0, micro_f1);
        rows.push(Shown {
            name: "Hamming loss",
            figure: |figures| figures.hamming_loss,
            interval: |figures| figures.hamming_loss_interval_95,
        });
    } else {
        rows.push(Shown::plain("Matthews correlation", |figures| figures.matthews_correlation));
    }
    rows.extend([
        Shown::plain("Area under the ROC curve", |figures| figures.roc_auc),
        Shown {
            name: "Log loss (nats)",
            figure: |figures| figures.log_loss,
            interval: |figures| figures.log_loss_interval_95,
        },
        Shown::plain("Brier score", |figures| figures.brier_score),
        Shown::plain("Expected calibration error", |figures| {
            figures.calibration.as_ref().map(|calibration| calibration.expected_error)
        }),
    ]);
    rows
}

/// The model against each baseline, on the same rows.
fn differences(report: &Report<'_>) -> Markup {
    let Some(baselines) = report.baselines else { return html! {} };
    let mut table = Table::new(&["Model against", "Figure", "Difference", "95 % interval", "p-value", "Test"]);
    let compared = [
        ("TF-IDF + logistic regression", baselines.tfidf.comparison),
        ("most frequent", baselines.majority.comparison),
    ];
    let accuracy = if report.labels.is_multi_label() { "all labels correct" } else { "accuracy" };
    for (name, comparison) in compared.into_iter().filter_map(|(name, comparison)| Some((name, comparison?))) {
        let differences = [
            ("micro F1", comparison.micro_f1),
            (accuracy, Some(comparison.accuracy)),
            ("macro F1", Some(comparison.macro_f1)),
        ];
        for (figure, difference) in differences.into_iter().filter_map(|(figure, it)| Some((figure, it?))) {
            table.row(name, &difference_cells(figure, &difference));
        }
    }
    html! {
        h3 { "Differences on the same rows" }
        (table.html())
    }
}

fn difference_cells(name: &str, difference: &Difference) -> [String; 5] {
    let Interval { low, high } = difference.interval_95;
    let sign = if difference.difference > 0.0 { "+" } else { "" };
    [
        name.to_owned(),
        format!("{sign}{}", figure(difference.difference)),
        format!("{low:+.3} to {high:+.3}"),
        p_value(difference.p_value),
        test_name(difference.test).to_owned(),
    ]
}
