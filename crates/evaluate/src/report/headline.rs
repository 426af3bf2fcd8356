//! What one wants to know first: how good it is, and whether that is more than a simple method gives.

use super::Report;
use crate::html::{escape, percent};
use crate::svg::{Bar, bars};

/// The figures in large, the verdict, and the model beside the baselines.
pub(super) fn section(report: &Report<'_>) -> String {
    let figures = &report.test_outcome.figures;
    let interval = figures.accuracy_interval_95;
    let several = report.labels.is_multi_label();
    let mut cards = vec![
        card(
            if several { "All labels right" } else { "Test accuracy" },
            &percent(figures.accuracy),
            &format!("95 % interval {} to {}", percent(interval.low), percent(interval.high)),
        ),
        card("Macro F1", &format!("{:.3}", figures.macro_f1), "every label weighs the same"),
    ];
    if several {
        let micro = format!("{:.3}", figures.averages.micro.f1);
        cards.insert(0, card("Micro F1", &micro, "every decision about a label weighs the same"));
    }
    if let Some(hamming) = figures.hamming_loss {
        cards.push(card("Hamming loss", &format!("{hamming:.3}"), "share of wrong decisions; lower is better"));
    }
    if let Some(log_loss) = figures.log_loss {
        cards.push(card("Log loss", &format!("{log_loss:.3}"), "nats; lower is better"));
    }
    if let Some(calibration) = &figures.calibration {
        let error = percent(calibration.expected_error);
        cards.push(card("Calibration error", &error, "confidence against accuracy; lower is better"));
    }
    let content = format!("<div class=\"cards\">{}</div>\n{}{}", cards.concat(), verdict(report), comparison(report));
    super::section("Result", "", &content)
}

fn card(name: &str, value: &str, note: &str) -> String {
    format!(
        "<div class=\"card\"><p class=\"name\">{}</p><p class=\"value\">{}</p><p class=\"sub\">{}</p></div>",
        escape(name),
        escape(value),
        escape(note)
    )
}

/// Whether the model is worth its cost, in a sentence.
fn verdict(report: &Report<'_>) -> String {
    let Some(baselines) = report.baselines else { return String::new() };
    let model = &report.test_outcome.figures;
    let classic = &baselines.classic.test;
    // One label needs no words: there is only one accuracy.
    let of = if report.labels.is_multi_label() { "Rows with all labels right: " } else { "" };
    let points = (model.accuracy - classic.accuracy) * 100.0;
    let (tone, text) = if classic.accuracy < model.accuracy_interval_95.low {
        (
            "good",
            format!(
                "The model is {points:.1} points above TF-IDF with logistic regression, which lies below its 95 % interval."
            ),
        )
    } else if classic.accuracy > model.accuracy_interval_95.high {
        (
            "bad",
            format!(
                "The model is {:.1} points <strong>below</strong> TF-IDF with logistic regression, which is far cheaper to run.",
                -points
            ),
        )
    } else {
        (
            "even",
            format!(
                "The model and TF-IDF with logistic regression differ by {:.1} points, which lies within the model’s \
                 95 % interval: on this test part neither is surely better.",
                points.abs()
            ),
        )
    };
    format!("<p class=\"verdict {tone}\">{of}{text}</p>\n")
}

fn comparison(report: &Report<'_>) -> String {
    let model = &report.test_outcome.figures;
    let mut shown =
        vec![Bar { name: "This model", share: model.accuracy, interval: model.accuracy_interval_95, main: true }];
    let several = report.labels.is_multi_label();
    let majority = if several { "Most frequent labels" } else { "Most frequent label" };
    if let Some(baselines) = report.baselines {
        for (name, figures) in
            [("TF-IDF + logistic regression", &baselines.classic.test), (majority, &baselines.majority.test)]
        {
            shown.push(Bar { name, share: figures.accuracy, interval: figures.accuracy_interval_95, main: false });
        }
    }
    let measure =
        if several { "Share of the test rows that have all labels right" } else { "Accuracy on the test part" };
    let caption = if report.baselines.is_some() {
        format!("{measure}; the baselines learned from the same training rows. Lines: 95 % intervals.")
    } else {
        format!("{measure}; the line is the 95 % interval. Baselines were left out (evaluate.baselines = false).")
    };
    format!(
        "<figure>{}<figcaption>{caption}</figcaption></figure>",
        bars(&shown, "Test accuracy of the model and the baselines")
    )
}
