//! The model's quality in detail: by label, over training, by confidence.

use firebrand_metrics::{Average, Bin, Calibration, ClassFigures, ConfusionMatrix};
use maud::{Markup, html};

use super::table::Table;
use super::{Report, section};
use crate::display::{count, optional, percent};
use crate::svg::{Chart, Confusion, Curve, Decisions, Tone, reliability};

/// Pairs of labels listed below the confusion matrix.
const PAIRS: usize = 5;
/// With more labels than this, only those with the lowest F1 are shown; the full table is collapsed.
const OPEN_LABELS: usize = 40;
/// Number of labels with the lowest F1 that are shown.
const WORST_LABELS: usize = 15;

/// Precision, recall and F1 of every label, and the confusion matrix.
pub(super) fn per_label(report: &Report<'_>) -> Markup {
    let figures = &report.test_outcome.evaluation.figures;
    let (names, classes) = (report.labels.names(), &figures.classes);
    let content = html! {
        div class=(if classes.len() > 12 { "pair stacked" } else { "pair" }) {
            @match &figures.confusion {
                Some(confusion) => (confusion_figure(report, confusion)),
                None => (decisions_figure(Decisions::new(classes, names))),
            }
            @if classes.len() <= OPEN_LABELS {
                (table(report, 0..classes.len(), true))
            } @else {
                div {
                    p class="note spaced" {
                        "The " (WORST_LABELS) " labels with test rows that have the lowest F1, and averages over all "
                        (count(classes.len() as u64)) "."
                    }
                    (table(report, worst(classes), true))
                    details {
                        summary { "All " (count(classes.len() as u64)) " labels" }
                        (table(report, 0..classes.len(), false))
                    }
                }
            }
        }
    };
    section("By label", "", content)
}

fn confusion_figure(report: &Report<'_>, matrix: &ConfusionMatrix) -> Markup {
    let confusion = Confusion::new(matrix, report.labels.names());
    html! {
        figure {
            (confusion.embedded())
            figcaption {
                @if let Some(note) = confusion.note() { (note) ". " }
                "Shade: share of the true label’s rows; " (key("right")) "correct, " (key("wrong")) "wrong."
                (pairs(report, matrix))
            }
        }
    }
}

fn decisions_figure(decisions: Decisions<'_>) -> Markup {
    html! {
        figure {
            (decisions.embedded())
            figcaption {
                @if let Some(note) = decisions.note() { (note) ". " }
                "Test rows. A label is assigned if its probability is at least one half; the frame shows the rows that have it."
            }
        }
    }
}

/// A coloured square as a legend.
fn key(tone: &str) -> Markup {
    html! { span class=(format_args!("key {tone}")) {} }
}

/// The labels with test rows that have the lowest F1.
fn worst(classes: &[ClassFigures]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..classes.len()).filter(|&place| classes[place].support > 0).collect();
    let f1 = |place: usize| classes[place].f1.unwrap_or_default();
    places.sort_by(|&a, &b| f1(a).total_cmp(&f1(b)).then(classes[b].support.cmp(&classes[a].support)));
    places.truncate(WORST_LABELS);
    places
}

fn table(report: &Report<'_>, shown: impl IntoIterator<Item = usize>, averages: bool) -> Markup {
    let figures = &report.test_outcome.evaluation.figures;
    let calibration = figures.calibration.as_ref().and_then(|calibration| calibration.classes.as_ref());
    let mut head = vec!["Label", "Precision", "Recall", "F1", "Rows"];
    if calibration.is_some() {
        head.push("Calibration error");
    }
    let mut table = Table::new(&head);
    for place in shown {
        let class = &figures.classes[place];
        let mut cells =
            vec![optional(class.precision, 3), optional(class.recall, 3), optional(class.f1, 3), count(class.support)];
        cells.extend(calibration.and_then(|classes| classes.get(place)).map(|class| percent(class.expected_error)));
        table.row(&report.labels.names()[place], &cells);
    }
    let all = [
        ("macro average", figures.averages.macro_),
        ("micro average", figures.averages.micro),
        ("weighted average", figures.averages.weighted),
    ];
    for (name, Average { precision, recall, f1 }) in all.into_iter().filter(|_| averages) {
        let [precision, recall, f1] = [precision, recall, f1].map(|value| optional(value, 3));
        let mut cells = vec![precision, recall, f1, count(figures.rows)];
        let error = figures.calibration.as_ref().map(|calibration| percent(calibration.expected_error));
        cells.extend(
            error.filter(|_| calibration.is_some()).map(
                |error| {
                    if name == "macro average" { error } else { String::new() }
                },
            ),
        );
        table.sum(name, &cells);
    }
    table.html()
}

fn pairs(report: &Report<'_>, matrix: &ConfusionMatrix) -> Markup {
    if matrix.classes() <= 3 {
        return html! {};
    }
    let pairs = matrix.confused_pairs();
    html! {
        @if !pairs.is_empty() { " Most often confused: " }
        @for (place, pair) in pairs.iter().take(PAIRS).enumerate() {
            @if place > 0 { ", " }
            bdi { (report.label(pair.truth as u32)) } " as " bdi { (report.label(pair.predicted as u32)) }
            " (" (count(pair.rows)) ")"
        }
        @if !pairs.is_empty() { "." }
    }
}

/// Loss and accuracy over the epochs, if the train stage recorded them.
pub(super) fn training(report: &Report<'_>) -> Markup {
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
    let charts: Vec<Markup> = [("Loss (nats)", &loss[..], f64::INFINITY), (title, &accuracy[..], 1.0)]
        .into_iter()
        .filter_map(|(title, curves, y_max)| Chart { title, x_title: "epoch", curves, y_max, mark }.draw())
        .collect();
    if charts.is_empty() {
        return html! {};
    }
    let kept =
        mark.map(|epoch| format!("The model is from epoch {epoch}, the best on the validation split (dashed line)."));
    let content = html! { div class="pair" { @for chart in &charts { figure { (chart) } } } };
    section("Training", &kept.unwrap_or_default(), content)
}

/// Whether the model's confidence matches its accuracy.
pub(super) fn calibration(report: &Report<'_>) -> Markup {
    let Some(calibration) = &report.test_outcome.evaluation.figures.calibration else { return html! {} };
    let rows: u64 = calibration.bins.iter().map(|bin| bin.rows).sum();
    let mean = |value: fn(&Bin) -> Option<f64>| {
        let sum: f64 = calibration.bins.iter().map(|bin| bin.rows as f64 * value(bin).unwrap_or_default()).sum();
        sum / rows as f64
    };
    let (confidence, right) = (mean(|bin| bin.confidence), mean(|bin| bin.accuracy));
    let text = if calibration.classes.is_some() {
        label_probabilities(calibration, confidence, right)
    } else {
        confidences(calibration, confidence, right)
    };
    let content = html! {
        div class="pair" {
            figure { (reliability(calibration)) }
            div class="text" { (text) }
        }
    };
    section("Calibration", "", content)
}

fn confidences(calibration: &Calibration, confidence: f64, right: f64) -> Markup {
    let gap = confidence - right;
    html! {
        p {
            "The mean confidence is " (percent(confidence)) ", the accuracy " (percent(right)) ". "
            @if gap.abs() < 0.01 { "On average its confidence matches its accuracy." }
            @else if gap > 0.0 { "On average it is " strong { "overconfident" } "." }
            @else { "On average it is " strong { "underconfident" } "." }
        }
        p {
            "The expected calibration error, the mean distance between confidence and accuracy over "
            (calibration.bins.len()) " bins, is " strong { (percent(calibration.expected_error)) }
            "; the largest error of a bin is " (percent(calibration.largest_error)) "."
        }
        p class="note" {
            "A bar is the accuracy of the rows with that confidence; if it ends on the dashed diagonal, the model is well \
             calibrated there. The pale part is the distance to the mean confidence of the bin: "
            (key("gap")) "overconfident, " (key("spare")) "underconfident."
        }
    }
}

fn label_probabilities(calibration: &Calibration, probability: f64, share: f64) -> Markup {
    html! {
        p {
            "The mean probability of a label is " (percent(probability)) "; " (percent(share))
            " of the rows have it, on average over labels."
        }
        p {
            "The expected calibration error of a label, the mean distance between its probability and the share of rows that \
             have the label, over " (calibration.bins.len()) " bins, is " strong { (percent(calibration.expected_error)) }
            " on average over labels; the table by label shows each."
        }
        p class="note" {
            "A bar is the share of rows that have a label, among the rows for which the model predicts that probability, over \
             all labels. If it ends on the dashed diagonal, the model is well calibrated there. The pale part is the \
             distance to the mean probability of the bin: " (key("gap")) "too high, " (key("spare")) "too low."
        }
    }
}
