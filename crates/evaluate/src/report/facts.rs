//! Facts about the run.

use maud::{Markup, html};

use super::{Report, millions};
use crate::display::count;

/// The model, its training, the baselines, and the configuration of this stage.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let (model, training) = (report.model, report.training);
    let mut facts = vec![
        ("Model family", model.family.clone()),
        ("Parameters", millions(model.parameters)),
        ("Maximum length", model.max_length.map_or("any".to_owned(), |most| format!("{} tokens", count(most as u64)))),
        ("Training rows", count(report.train.len() as u64)),
    ];
    if let Some(steps) = training.steps {
        facts.push(("Training steps", count(steps)));
    }
    if let Some(epoch) = training.best_epoch {
        facts.push(("Best validation", format!("epoch {epoch}")));
    }
    if let Some(early) = training.stopped_early {
        facts.push(("Stopped early", if early { "yes" } else { "no" }.to_owned()));
    }
    facts.push(("Evaluated on", format!("{}, batches of {}", model.device, report.config.batch_size)));
    if let Some(baselines) = report.baselines {
        let settings = &baselines.tfidf.settings;
        facts.push((
            "TF-IDF baseline",
            format!(
                "{} unigrams and bigrams, C = {} chosen on validation",
                count(settings.features as u64),
                settings.c
            ),
        ));
        let labels: Vec<&str> = baselines.majority.labels.iter().map(|&label| report.label(label)).collect();
        let most = if report.labels.is_multi_label() { "Most frequent labels" } else { "Most frequent label" };
        facts.push((most, if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }));
    }
    facts.push(("Label map", format!("{}…", report.labels.hash().chars().take(16).collect::<String>())));
    let list = html! {
        dl { @for (name, value) in &facts { div { dt { (name) } dd dir="auto" { (value) } } "\n" } }
    };
    super::section("Run", "", list)
}
