//! `summary.json`: the outcome of training. It has no times, so that equal runs write equal bytes.

use firebrand_model::Classifier;
use serde::{Deserialize, Serialize};

use crate::checkpoint::state::{EpochFigures, ProgramChange, State};
use crate::report::finding::{Finding, findings};
use crate::{Config, Metric, Rows, TrainingPrecision, Validation};

/// The outcome of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The model's family.
    pub family: String,
    /// Number of parameters.
    pub parameters: usize,
    /// The labels' names, by index.
    pub labels: Vec<String>,
    /// The device's name.
    pub device: String,
    /// Precision of forward and backward passes.
    #[serde(default)]
    pub precision: TrainingPrecision,
    /// Rows of the training split.
    pub training_rows: usize,
    /// Tokens of the training split, with special tokens and without padding.
    pub training_tokens: usize,
    /// Rows of the validation split.
    pub validation_rows: usize,
    /// Steps done.
    pub steps: u64,
    /// Steps without an update because the gradients of the scaled loss were not finite.
    #[serde(default)]
    pub skipped_steps: u64,
    /// Whether training ended before the configured epochs.
    pub stopped_early: bool,
    /// The metric that decides which validation is best.
    pub metric: Metric,
    /// The validation before the first step.
    #[serde(default)]
    pub start: Option<Validation>,
    /// The best validation.
    pub best: Option<EpochFigures>,
    /// Whether the saved parameters are those of the best validation rather than the last.
    pub restored_best: bool,
    /// Every validation.
    pub epochs: Vec<EpochFigures>,
    /// What to know about the run beyond its figures.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Where a stopped run was resumed by another build of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub program_changes: Vec<ProgramChange>,
}

impl Summary {
    pub(crate) fn new(
        config: &Config,
        state: &State,
        total_steps: u64,
        classifier: &Classifier,
        train: &Rows,
        validation: &Rows,
    ) -> Self {
        Self {
            family: classifier.family().to_owned(),
            parameters: classifier.parameters(),
            labels: classifier.labels().to_vec(),
            device: config.device.clone(),
            precision: state.precision,
            training_rows: train.len(),
            training_tokens: train.lengths().iter().sum(),
            validation_rows: validation.len(),
            steps: state.step,
            skipped_steps: state.skipped_steps,
            stopped_early: state.step < total_steps,
            metric: config.early_stopping_metric,
            start: state.start,
            best: state.best().copied(),
            restored_best: config.restore_best,
            epochs: state.validations.clone(),
            findings: findings(config, state, total_steps, train),
            program_changes: state.program_changes.clone(),
        }
    }
}
