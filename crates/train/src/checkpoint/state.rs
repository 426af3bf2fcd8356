//! The progress of training: everything in a checkpoint but tensors.

use serde::{Deserialize, Serialize};

use crate::report::anomaly::LossWatch;
use crate::validation::Validation;
use crate::{LossScale, Metric, StepFigures, TrainingPrecision};

/// The progress after some steps. Equal runs have equal states.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Steps done.
    pub(crate) step: u64,
    /// Training loss since the last line of metrics.
    pub(crate) since_line: Mean,
    /// Training loss since the last validation.
    pub(crate) since_validation: Mean,
    /// Every validation.
    pub(crate) validations: Vec<EpochFigures>,
    /// Index of the best validation.
    pub(crate) best: Option<usize>,
    /// Validations since the best.
    pub(crate) stale: u32,
    /// The precision that training started with.
    #[serde(default)]
    pub(crate) precision: TrainingPrecision,
    /// The loss scale, for half precision.
    #[serde(default)]
    pub(crate) loss_scale: Option<LossScale>,
    /// Steps without an update because their scaled gradients were not finite.
    #[serde(default)]
    pub(crate) skipped_steps: u64,
    /// How many times training batches were halved for lack of memory.
    #[serde(default)]
    pub(crate) halvings: u32,
    /// The same of validation batches.
    #[serde(default)]
    pub(crate) eval_halvings: u32,
    /// The validation before the first step.
    pub(crate) start: Option<Validation>,
    /// Where another build of the program took over.
    #[serde(default)]
    pub(crate) program_changes: Vec<ProgramChange>,
    /// The running loss, to tell divergence from noise.
    pub(crate) watch: LossWatch,
}

/// A run that was stopped and then resumed by another build of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramChange {
    /// Steps done by then.
    pub step: u64,
    /// Hash of the program that took them.
    pub before: String,
    /// Hash of the program that resumed.
    pub after: String,
}

/// A running mean, weighted by rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mean {
    sum: f64,
    rows: u64,
}

/// Figures of an epoch, or of the steps between two validations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochFigures {
    /// Epochs done, with a fraction for a validation within an epoch.
    pub epoch: f64,
    /// Steps done.
    pub step: u64,
    /// Mean training loss since the previous validation in nats, each row with the parameters of its step.
    pub training_loss: f64,
    /// Mean loss over the validation split, in nats.
    pub validation_loss: f64,
    /// Share of the validation split whose labels are all right.
    pub validation_accuracy: f64,
    /// F1 over the validation split, averaged over labels.
    pub validation_macro_f1: f64,
    /// F1 over all decisions about labels, for multi-label classifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_micro_f1: Option<f64>,
}

impl EpochFigures {
    /// The figures over the validation split alone.
    pub(crate) fn validation(&self) -> Validation {
        Validation {
            loss: self.validation_loss,
            accuracy: self.validation_accuracy,
            macro_f1: self.validation_macro_f1,
            micro_f1: self.validation_micro_f1,
        }
    }
}

impl Mean {
    fn add(&mut self, value: f64, rows: usize) {
        self.sum += value * rows as f64;
        self.rows += rows as u64;
    }

    /// The mean so far, which is reset.
    pub(crate) fn take(&mut self) -> Option<f64> {
        let Self { sum, rows } = std::mem::take(self);
        (rows > 0).then(|| sum / rows as f64)
    }

    /// The mean so far.
    pub(crate) fn get(mut self) -> Option<f64> {
        self.take()
    }
}

impl State {
    /// Adds a step.
    pub(crate) fn add_step(&mut self, figures: StepFigures, rows: usize) {
        self.step += 1;
        self.skipped_steps += u64::from(figures.skipped);
        self.since_line.add(figures.loss, rows);
        self.since_validation.add(figures.loss, rows);
    }

    /// Adds a validation, and returns whether it is the best so far.
    pub(crate) fn add_validation(&mut self, validation: Validation, epoch: f64, metric: Metric) -> bool {
        let figures = EpochFigures {
            epoch,
            step: self.step,
            training_loss: self.since_validation.take().unwrap_or_default(),
            validation_loss: validation.loss,
            validation_accuracy: validation.accuracy,
            validation_macro_f1: validation.macro_f1,
            validation_micro_f1: validation.micro_f1,
        };
        // The earlier of two equal ones stays the best.
        let better =
            self.best().is_none_or(|best| metric.score(&figures.validation()) > metric.score(&best.validation()));
        self.validations.push(figures);
        if better {
            self.best = Some(self.validations.len() - 1);
            self.stale = 0;
        } else {
            self.stale += 1;
        }
        better
    }

    /// The validation of the parameters that are kept: the best, or the last.
    pub(crate) fn kept(&self, best: bool) -> Option<&EpochFigures> {
        if best { self.best() } else { self.validations.last() }
    }

    /// The best validation.
    pub(crate) fn best(&self) -> Option<&EpochFigures> {
        self.validations.get(self.best?)
    }

    /// Steps of the `count` best validations, best first; of equal ones the earlier first.
    pub(crate) fn best_steps(&self, count: usize, metric: Metric) -> Vec<u64> {
        let mut ranked: Vec<&EpochFigures> = self.validations.iter().collect();
        ranked.sort_by(|one, other| metric.score(&other.validation()).total_cmp(&metric.score(&one.validation())));
        ranked.iter().take(count).map(|figures| figures.step).collect()
    }

    /// Whether this many validations in a row were no better; a patience of 0 never ends.
    pub(crate) fn is_stale(&self, patience: u32) -> bool {
        patience > 0 && self.stale >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(losses: &[f64], metric: Metric) -> State {
        let mut state = State::default();
        for &loss in losses {
            state.add_step(StepFigures { loss, grad_norm: 1.0, skipped: false }, 4);
            let validation = Validation { loss, accuracy: loss / 2.0, macro_f1: loss / 4.0, micro_f1: None };
            state.add_validation(validation, state.step as f64 / 2.0, metric);
        }
        state
    }

    #[test]
    fn the_best_is_the_first_with_the_best_figure() {
        assert_eq!(after(&[], Metric::Loss).best(), None);
        let losses = [0.9, 0.5, 0.5, 0.6];
        let state = after(&losses, Metric::Loss);
        assert_eq!((state.best().unwrap().step, state.best().unwrap().epoch, state.stale), (2, 1.0, 2));
        assert_eq!(state.best_steps(3, Metric::Loss), [2, 3, 4]);
        for metric in [Metric::Accuracy, Metric::MacroF1, Metric::MicroF1] {
            let state = after(&losses, metric);
            assert_eq!((state.best().unwrap().step, state.stale), (1, 3), "{metric:?}");
            assert_eq!(state.best_steps(2, metric), [1, 4], "{metric:?}");
        }
    }

    #[test]
    fn patience_counts_validations_in_a_row() {
        let stale = |losses: &[f64], patience| after(losses, Metric::Loss).is_stale(patience);
        assert!(!stale(&[0.9, 1.0, 0.8, 0.9], 2));
        assert!(stale(&[0.9, 1.0, 0.8, 0.9, 0.8], 2));
        assert!(!stale(&[0.1, 1.0, 1.0, 1.0], 0));
    }

    #[test]
    fn means_weigh_rows() {
        let mut state = State::default();
        state.add_step(StepFigures { loss: 1.0, grad_norm: 1.0, skipped: false }, 3);
        state.add_step(StepFigures { loss: 2.0, grad_norm: 1.0, skipped: false }, 1);
        assert_eq!(state.since_validation.get(), Some(1.25));
        assert_eq!(state.since_line.take(), Some(1.25));
        assert_eq!(state.since_line.get(), None);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
