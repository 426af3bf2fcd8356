//! The top of the report: how good the model is, whether it beats the baselines, and what to look at.

use firebrand_metrics::{Figures, Interval, Verdict};
use maud::{Markup, html};

use super::Report;
use crate::display::{optional, percent};
use crate::findings::Kind;
use crate::svg::{Bar, bars};

/// The findings, the main figures, the verdict, and the comparison with the baselines.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let content = html! {
        (findings(report))
        div class="cards" { (cards(report)) }
        (verdict(report))
        (comparison(report))
    };
    super::section("Result", "", content)
}

/// The findings of this stage and of training, except the comparison with TF-IDF, which is below the figures.
fn findings(report: &Report<'_>) -> Markup {
    let found = report.findings.iter().filter(|finding| finding.kind != Kind::NoBetterThanTfidf);
    let of_training = report.training.findings.iter().map(String::as_str);
    let messages: Vec<&str> = of_training.chain(found.map(|finding| finding.message.as_str())).collect();
    html! {
        @if !messages.is_empty() {
            ul class="findings" { @for message in &messages { li { (sentence(message)) } } }
        }
    }
}

/// A message as a sentence in HTML; text in backticks becomes code.
fn sentence(message: &str) -> Markup {
    let mut characters = message.trim_end_matches('.').chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let text: String = first.chain(characters).collect();
    html! {
        @for (place, piece) in text.split('`').enumerate() {
            @if place.is_multiple_of(2) { (piece) } @else { code dir="auto" { (piece) } }
        }
        "."
    }
}

fn cards(report: &Report<'_>) -> Markup {
    let figures = &report.test_outcome.evaluation.figures;
    let macro_f1 = card(
        "Macro F1",
        &format!("{:.3}", figures.macro_f1),
        interval(figures.macro_f1_interval_95),
        "all labels weigh the same",
    );
    let log_loss = card(
        "Log loss",
        &optional(figures.log_loss, 3),
        interval(figures.log_loss_interval_95),
        "nats; lower is better",
    );
    let accuracy = |name| {
        let Interval { low, high } = figures.accuracy_interval_95;
        card(name, &percent(figures.accuracy), Some(format!("{} to {}", percent(low), percent(high))), "")
    };
    let micro_f1 = optional(figures.averages.micro.f1, 3);
    html! {
        @if report.labels.is_multi_label() {
            (card("Micro F1", &micro_f1, interval(figures.micro_f1_interval_95), "all assigned labels weigh the same"))
            (macro_f1)
            (accuracy("All labels correct"))
            (card("Hamming loss", &optional(figures.hamming_loss, 3), interval(figures.hamming_loss_interval_95),
                "share of wrong label decisions"))
        } @else {
            (accuracy("Test accuracy"))
            (macro_f1)
        }
        (log_loss)
    }
}

fn interval(interval: Option<Interval>) -> Option<String> {
    interval.map(|Interval { low, high }| format!("{low:.3} to {high:.3}"))
}

fn card(name: &str, value: &str, interval: Option<String>, note: &str) -> Markup {
    html! {
        div class="card" {
            p class="name" { (name) }
            p class="value" { (value) }
            @if let Some(interval) = interval { p class="sub" { "95 % interval " (interval) } }
            @if !note.is_empty() { p class="sub" { (note) } }
        }
    }
}

/// One sentence on whether the model is better than TF-IDF.
fn verdict(report: &Report<'_>) -> Markup {
    html! {
        @if let Some(judgement) = report.judgement {
            @let tone = match judgement.verdict {
                Verdict::Better => "good",
                Verdict::Undecided => "even",
                Verdict::Worse => "bad",
            };
            @let found = report.findings.iter().find(|finding| finding.kind == Kind::NoBetterThanTfidf);
            @let message = found.map_or(&judgement.message, |finding| &finding.message);
            p class=(format_args!("verdict {tone}")) { (sentence(message)) }
        }
    }
}

fn comparison(report: &Report<'_>) -> Markup {
    let multi_label = report.labels.is_multi_label();
    let bar = |name, figures: &Figures, main| {
        let micro_f1 = figures.averages.micro.f1.zip(figures.micro_f1_interval_95).filter(|_| multi_label);
        let (share, interval) = micro_f1.unwrap_or((figures.accuracy, figures.accuracy_interval_95));
        Bar { name, share, interval, main }
    };
    let mut shown = vec![bar("This model", &report.test_outcome.evaluation.figures, true)];
    let majority = if multi_label { "Most frequent labels" } else { "Most frequent label" };
    if let Some(baselines) = report.baselines {
        shown.push(bar("TF-IDF + logistic regression", &baselines.tfidf.test.figures, false));
        shown.push(bar(majority, &baselines.majority.test.figures, false));
    }
    let measure = if multi_label { "Micro F1 on the test split" } else { "Accuracy on the test split" };
    html! {
        figure {
            (bars(&shown, &format!("{measure} of the model and the baselines")))
            figcaption {
                (measure)
                @if report.baselines.is_some() {
                    "; the baselines learned from the same training rows. Lines: separate 95 % intervals; the verdict compares \
                     row by row, which is more sensitive."
                } @else {
                    "; the line is the 95 % interval. Baselines were left out (evaluate.baselines = false)."
                }
            }
        }
    }
}
