//! How far training has come: everything that a checkpoint needs beside tensors.

use serde::{Deserialize, Serialize};

use crate::StepFigures;
use crate::validation::Validation;

/// What is known after some steps. Equal runs have equal states.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Steps done.
    pub(crate) step: u64,
    /// Training loss since the last line of metrics.
    pub(crate) since_line: Mean,
    /// Training loss since the epoch began.
    pub(crate) since_epoch: Mean,
    /// Every finished epoch.
    pub(crate) epochs: Vec<EpochFigures>,
    /// The finished epoch, counted from 1, with the lowest validation loss.
    pub(crate) best_epoch: Option<u32>,
    /// Validations since the best.
    pub(crate) stale: u32,
}

/// A running mean, weighted by rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mean {
    sum: f64,
    rows: u64,
}

/// What an epoch came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochFigures {
    /// Counted from 1.
    pub epoch: u32,
    /// Steps done at its end.
    pub step: u64,
    /// Mean training loss over its rows, each as the parameters were when it was seen, in nats.
    pub training_loss: f64,
    /// Mean loss over the validation part at its end, in nats.
    pub validation_loss: f64,
    /// Share of the validation part that is labelled right at its end, with all labels of a row where it may have several.
    pub validation_accuracy: f64,
    /// F1 of all decisions about a label of a row together, at its end; where rows may have several labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_micro_f1: Option<f64>,
}

impl Mean {
    fn add(&mut self, value: f64, rows: usize) {
        self.sum += value * rows as f64;
        self.rows += rows as u64;
    }

    /// The mean so far; starts anew.
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
    /// Counts a step.
    pub(crate) fn add_step(&mut self, figures: StepFigures, rows: usize) {
        self.step += 1;
        self.since_line.add(figures.loss, rows);
        self.since_epoch.add(figures.loss, rows);
    }

    /// Counts an epoch; says whether its validation loss is the lowest so far.
    pub(crate) fn add_epoch(&mut self, validation: Validation) -> bool {
        let epoch = self.epochs.len() as u32 + 1;
        // Written so that the earlier of two equal epochs stays the best.
        let better = self.best().is_none_or(|best| validation.loss < best.validation_loss);
        self.epochs.push(EpochFigures {
            epoch,
            step: self.step,
            training_loss: self.since_epoch.take().unwrap_or_default(),
            validation_loss: validation.loss,
            validation_accuracy: validation.accuracy,
            validation_micro_f1: validation.micro_f1,
        });
        if better {
            self.best_epoch = Some(epoch);
            self.stale = 0;
        } else {
            self.stale += 1;
        }
        better
    }

    /// The epoch with the lowest validation loss.
    pub(crate) fn best(&self) -> Option<&EpochFigures> {
        self.epochs.get(self.best_epoch?.checked_sub(1)? as usize)
    }

    /// Whether so many validations in a row brought no lower loss; a patience of 0 never ends.
    pub(crate) fn is_stale(&self, patience: u32) -> bool {
        patience > 0 && self.stale >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(losses: &[f64]) -> State {
        let mut state = State::default();
        for &loss in losses {
            state.add_step(StepFigures { loss, grad_norm: 1.0 }, 4);
            state.add_epoch(Validation { loss, accuracy: 0.5, micro_f1: None });
        }
        state
    }

    #[test]
    fn the_best_epoch_is_the_first_with_the_lowest_loss() {
        assert_eq!(after(&[]).best(), None);
        let state = after(&[0.9, 0.5, 0.5, 0.6]);
        assert_eq!(state.best().unwrap().epoch, 2);
        assert_eq!(state.stale, 2);
    }

    #[test]
    fn patience_counts_validations_in_a_row() {
        assert!(!after(&[0.9, 1.0, 0.8, 0.9]).is_stale(2));
        assert!(after(&[0.9, 1.0, 0.8, 0.9, 0.8]).is_stale(2));
        assert!(!after(&[0.1, 1.0, 1.0, 1.0]).is_stale(0));
    }

    #[test]
    fn means_weigh_rows() {
        let mut state = State::default();
        state.add_step(StepFigures { loss: 1.0, grad_norm: 1.0 }, 3);
        state.add_step(StepFigures { loss: 2.0, grad_norm: 1.0 }, 1);
        assert_eq!(state.since_epoch.get(), Some(1.25));
        assert_eq!(state.since_line.take(), Some(1.25));
        assert_eq!(state.since_line.get(), None);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
