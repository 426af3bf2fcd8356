//! What a user should know about a run that finished without an error.

use serde::{Deserialize, Serialize};

use crate::checkpoint::state::State;
use crate::{Config, Metric, Rows, Validation};

/// A fact about the run that its figures alone do not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// For programs.
    pub kind: FindingKind,
    /// For people: what was found, and what to do.
    pub message: String,
}

/// What a [`Finding`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Training had so few steps that it could hardly learn.
    FewSteps,
    /// The trained model does not beat the one that training started from.
    NoBetterThanStart,
}

/// Fewer steps than this are too few to learn from.
const FEW_STEPS: u64 = 10;
/// The share by which the loss has to fall, where the accuracy does not rise.
const LOSS_MARGIN: f64 = 0.01;

/// What is to be said of a finished run of `total_steps`.
pub(crate) fn findings(config: &Config, state: &State, total_steps: u64, train: &Rows) -> Vec<Finding> {
    let kept = state.kept(config.restore_best).map(|figures| figures.validation());
    let no_better = state.start.zip(kept).filter(|(start, kept)| !improved(start, kept, config.early_stopping_metric));
    let few_steps = (total_steps < FEW_STEPS)
        .then(|| Finding { kind: FindingKind::FewSteps, message: few_steps(config, total_steps, train.len()) });
    let no_better = no_better.map(|(start, kept)| Finding {
        kind: FindingKind::NoBetterThanStart,
        message: format!(
            "the trained model is no better than before training (before: validation loss {:.4}, {}; after: {:.4}, {}). Raise \
             `train.epochs` or `train.learning_rate`, or check that the labels follow from the texts",
            start.loss,
            start.words(),
            kept.loss,
            kept.words()
        ),
    });
    few_steps.into_iter().chain(no_better).collect()
}

/// Whether training paid: the metric is better, and not by rounding or by a trace of loss alone.
fn improved(start: &Validation, kept: &Validation, metric: Metric) -> bool {
    let less_loss = kept.loss < start.loss * (1.0 - LOSS_MARGIN);
    let more_right = kept.accuracy > start.accuracy || kept.micro_f1 > start.micro_f1;
    // An overconfident model has more loss than one that guesses, and is right more often all the same.
    let better = metric.score(kept) > metric.score(start) || (metric == Metric::Loss && more_right);
    better && (less_loss || more_right)
}

fn few_steps(config: &Config, steps: u64, rows: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let batch = match config.tokens_per_batch {
        0 => format!("{} rows", config.batch_size * config.devices),
        budget => format!("{budget} tokens"),
    };
    let key = if config.tokens_per_batch == 0 { "batch_size" } else { "tokens_per_batch" };
    let several = match config.accumulation_steps {
        1 => String::new(),
        count => format!(", {count} batches to a step"),
    };
    format!(
        "training had only {steps} step{}: {rows} row{}, batches of {batch}{several}, {} epoch{}. Lower `train.{key}` or raise \
         `train.epochs`",
        plural(steps as usize),
        plural(rows),
        config.epochs,
        plural(config.epochs as usize),
    )
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    fn validation(loss: f64, accuracy: f64) -> Validation {
        Validation { loss, accuracy, macro_f1: accuracy, micro_f1: None }
    }

    #[test]
    fn a_model_has_to_beat_its_start() {
        let start = validation(0.7, 0.5);
        for (kept, expected) in [
            ((0.7, 0.5), false),
            ((0.8, 0.5), false),
            // Less loss, but next to nothing, and no row more that is right.
            ((0.6999, 0.5), false),
            ((0.6999, 0.51), true),
            ((0.6, 0.5), true),
        ] {
            assert_eq!(improved(&start, &validation(kept.0, kept.1), Metric::Loss), expected, "{kept:?}");
        }
        assert!(!improved(&start, &validation(0.6, 0.5), Metric::Accuracy));
        assert!(improved(&start, &validation(0.9, 0.6), Metric::Accuracy));
    }

    #[test]
    fn few_steps_name_what_makes_them_few() {
        let config: Config = default_section(Slot::Train).unwrap();
        let config = Config { epochs: 1, batch_size: 64, ..config };
        assert_eq!(
            few_steps(&config, 1, 24),
            "training had only 1 step: 24 rows, batches of 64 rows, 1 epoch. Lower `train.batch_size` or raise `train.epochs`"
        );
        let config = Config { epochs: 2, tokens_per_batch: 512, accumulation_steps: 4, ..config };
        let text = few_steps(&config, 6, 90);
        assert!(text.contains("6 steps: 90 rows, batches of 512 tokens, 4 batches to a step, 2 epochs"), "{text}");
        assert!(text.contains("Lower `train.tokens_per_batch`"), "{text}");
    }

    #[test]
    fn kinds_are_written_in_snake_case() {
        let finding = Finding { kind: FindingKind::NoBetterThanStart, message: "x".to_owned() };
        let json = serde_json::to_string(&finding).unwrap();
        assert_eq!(json, r#"{"kind":"no_better_than_start","message":"x"}"#);
    }
}
