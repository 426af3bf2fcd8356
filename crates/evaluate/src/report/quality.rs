//! The model's quality in detail: by label, over training, by confidence.

use firebrand_metrics::{Average, Bin, ClassFigures, ConfusionMatrix};

use super::table::Table;
use super::{Report, section};
use crate::html::{count, escape, percent};
use crate::svg::{Chart, Curve, Tone, confusion_inside, decisions_inside, reliability};
use crate::terminal::worst_pairs;

/// Pairs of labels listed below the confusion matrix.
const PAIRS: usize = 5;

/// Precision, recall and F1 of every label, and the confusion matrix.
pub(super) fn per_label(report: &Report<'_>) -> String {
    let figures = &report.test_outcome.figures;
    let mut table = Table::new(&["Label", "Precision", "Recall", "F1", "Rows"]);
    for (name, class) in report.labels.names().iter().zip(&figures.classes) {
        table.row(name, &class_cells(class));
    }
    for (name, average) in [
        ("macro average", figures.averages.macro_),
        ("micro average", figures.averages.micro),
        ("weighted average", figures.averages.weighted),
    ] {
        table.sum(name, &average_cells(average, figures.rows));
    }
    let names = report.labels.names();
    let (picture, caption) = match &figures.confusion {
        Some(confusion) => (
            confusion_inside(confusion, names),
            format!(
                "Shade: share of the true label’s rows; <span class=\"key right\"></span>right, \
                 <span class=\"key wrong\"></span>wrong.{}",
                pairs(report, confusion)
            ),
        ),
        None => (
            decisions_inside(&figures.classes, names),
            "Test rows. A label is given where its probability is one half or more; the frame holds the rows that have it."
                .to_owned(),
        ),
    };
    let content = format!(
        "<div class=\"pair{}\">\n<figure>{picture}<figcaption>{caption}</figcaption></figure>\n{}</div>",
        if report.labels.len() > 12 { " stacked" } else { "" },
        table.html()
    );
    section("By label", "", &content)
}

fn class_cells(class: &ClassFigures) -> [String; 4] {
    use firebrand_metrics::Measure::{F1, Precision, Recall};
    let cell = |measure, value: f64| {
        if class.undefined.contains(&measure) { "–".to_owned() } else { format!("{value:.3}") }
    };
    [cell(Precision, class.precision), cell(Recall, class.recall), cell(F1, class.f1), count(class.support)]
}

fn average_cells(average: Average, rows: u64) -> [String; 4] {
    let [precision, recall, f1] = [average.precision, average.recall, average.f1].map(|value| format!("{value:.3}"));
    [precision, recall, f1, count(rows)]
}

fn pairs(report: &Report<'_>, confusion: &ConfusionMatrix) -> String {
    if confusion.classes() <= 3 {
        return String::new();
    }
    let item = |(truth, predicted): (usize, usize)| {
        let [from, to] = [truth, predicted].map(|label| escape(report.label(label as u32)));
        format!("<bdi>{from}</bdi> for <bdi>{to}</bdi> ({})", count(confusion.count(truth, predicted)))
    };
    let pairs: Vec<String> = worst_pairs(confusion).into_iter().take(PAIRS).map(item).collect();
    if pairs.is_empty() { String::new() } else { format!(" Most often mistaken: {}.", pairs.join(", ")) }
}

/// Loss and accuracy over the epochs, if the train stage left them.
pub(super) fn training(report: &Report<'_>) -> String {
    let training = report.training;
    let loss = [
        Curve { name: "training", points: &training.loss, tone: Tone::Pale },
        Curve { name: "validation", points: &training.validation_loss, tone: Tone::Strong },
    ];
    let (title, points) = if training.validation_micro_f1.is_empty() {
        ("Accuracy", &training.validation_accuracy)
    } else {
        ("Micro F1", &training.validation_micro_f1)
    };
    let accuracy = [Curve { name: "validation", points, tone: Tone::Strong }];
    let mark = training.best_epoch.filter(|_| training.restored_best == Some(true));
    let charts: Vec<String> = [("Loss (nats)", &loss[..], f64::INFINITY), (title, &accuracy[..], 1.0)]
        .into_iter()
        .filter_map(|(title, curves, most)| Chart { title, x_title: "epoch", curves, most, mark }.draw())
        .map(|chart| format!("<figure>{chart}</figure>"))
        .collect();
    if charts.is_empty() {
        return String::new();
    }
    let kept = mark.map(|epoch| {
        format!("The model is that of epoch {epoch}, which did best on the validation part (dashed line).")
    });
    section("Training", &kept.unwrap_or_default(), &format!("<div class=\"pair\">{}</div>", charts.concat()))
}

/// Whether a stated confidence can be believed.
pub(super) fn calibration(report: &Report<'_>) -> String {
    let figures = &report.test_outcome.figures;
    let Some(calibration) = &figures.calibration else { return String::new() };
    let decisions: u64 = calibration.bins.iter().map(|bin| bin.rows).sum();
    let mean = |value: fn(&Bin) -> f64| {
        calibration.bins.iter().map(|bin| bin.rows as f64 * value(bin)).sum::<f64>() / decisions as f64
    };
    let (confidence, right) = (mean(|bin| bin.confidence), mean(|bin| bin.accuracy));
    let gap = confidence - right;
    let note = if report.labels.is_multi_label() {
        "Every decision about a label of a row counts as an answer; its confidence is the probability of what was decided."
    } else {
        ""
    };
    let tendency = if gap.abs() < 0.01 {
        "On average its confidence matches its accuracy."
    } else if gap > 0.0 {
        "On average it is <strong>more sure than right</strong>."
    } else {
        "On average it is <strong>less sure than right</strong>."
    };
    let text = format!(
        "<div class=\"text\"><p>The mean confidence is {}, the accuracy {}. {tendency}</p>\n\
         <p>The expected calibration error, the mean distance between confidence and accuracy over {} bins, is <strong>{}</strong>; \
         the largest of a bin is {}.</p>\n<p class=\"note\">A bar is the share of right answers among the rows of that confidence; \
         where it ends on the dashed diagonal, the confidence is what it says. The pale part is the distance to the mean \
         confidence of the bin: <span class=\"key gap\"></span>too sure, <span class=\"key spare\"></span>not sure \
         enough.</p></div>",
        percent(confidence),
        percent(right),
        calibration.bins.len(),
        percent(calibration.expected_error),
        percent(calibration.largest_error)
    );
    section(
        "Calibration",
        note,
        &format!("<div class=\"pair\"><figure>{}</figure>{text}</div>", reliability(calibration)),
    )
}
