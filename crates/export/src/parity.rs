//! `parity.json`: that what was written answers like what was trained, and what int8 costs.

use firebrand_arch::{INT8_FILE, QuantizedTensor};
use firebrand_dataset::Prediction;
use firebrand_pipeline::{Error, Result};
use serde::Serialize;

use crate::answers::{Answers, labels_changed, largest_difference};
use crate::gate::Gate;
use crate::rows::TestRows;
use crate::tokenization::Tokenization;

/// How far the exported model's probabilities may be from those that evaluate wrote: rounding on another device.
const EVALUATE_TOLERANCE: f32 = 1e-4;

/// What was measured on the files of the bundle, after loading them again.
#[derive(Debug, Serialize)]
pub(crate) struct Parity {
    /// Test rows that the models were measured on.
    pub(crate) rows: usize,
    /// The data's texts, encoded by the bundle, against the token files.
    pub(crate) tokenization: Tokenization,
    pub(crate) fp32: Measured,
    /// `null` when `int8` is off.
    pub(crate) int8: Option<Int8>,
    /// The float32 file against the predictions that evaluate wrote.
    pub(crate) evaluate: Difference,
    pub(crate) gate: Gate,
}

/// A weights file and its figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Measured {
    /// Relative to the bundle.
    pub(crate) file: &'static str,
    pub(crate) bytes: u64,
    pub(crate) accuracy: f64,
    pub(crate) macro_f1: f64,
    /// Of a multi-label model only, whose gates use it instead of the accuracy: a row counts as wrong there if one of its
    /// labels is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) micro_f1: Option<f64>,
}

/// Micro F1 of a multi-label model.
fn micro_f1(answers: &Answers) -> Option<f64> {
    answers.figures.hamming_loss.map(|_| answers.figures.averages.micro.f1.unwrap_or_default())
}

impl Measured {
    pub(crate) fn new(file: &'static str, bytes: u64, answers: &Answers) -> Self {
        let (accuracy, macro_f1) = (answers.figures.accuracy, answers.figures.macro_f1);
        Self { file, bytes, accuracy, macro_f1, micro_f1: micro_f1(answers) }
    }

    /// The figure that the gates hold against the configuration's accuracies.
    pub(crate) fn score(&self) -> f64 {
        self.micro_f1.unwrap_or(self.accuracy)
    }

    /// That figure's name.
    pub(crate) fn score_name(&self) -> &'static str {
        if self.micro_f1.is_some() { "micro F1" } else { "accuracy" }
    }
}

/// The int8 file: its figures, and how it differs from the float32 one.
#[derive(Debug, Serialize)]
pub(crate) struct Int8 {
    #[serde(flatten)]
    pub(crate) measured: Measured,
    pub(crate) largest_logit_difference: f32,
    /// Rows with other labels than by the float32 file.
    pub(crate) labels_changed: usize,
    /// The quantized matrices, the one with the largest error first.
    pub(crate) matrices: Vec<Matrix>,
}

/// What quantization did to a matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// Root mean square of the change, as a share of that of the weights.
    pub(crate) relative_error: f64,
}

impl Int8 {
    pub(crate) fn new(bytes: u64, int8: &Answers, fp32: &Answers, quantized: Vec<QuantizedTensor>) -> Self {
        let mut matrices: Vec<Matrix> = quantized
            .into_iter()
            .map(|QuantizedTensor { name, shape, relative_error }| Matrix { name, shape, relative_error })
            .collect();
        matrices.sort_by(|a, b| b.relative_error.total_cmp(&a.relative_error).then_with(|| a.name.cmp(&b.name)));
        Self {
            measured: Measured::new(INT8_FILE, bytes, int8),
            largest_logit_difference: largest_difference(&fp32.logits, &int8.logits).0,
            labels_changed: labels_changed(&fp32.predicted, &int8.predicted),
            matrices,
        }
    }
}

/// How two sets of predictions differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    pub(crate) largest_probability_difference: f32,
    pub(crate) labels_changed: usize,
}

impl Difference {
    /// Compares the exported model with what evaluate wrote.
    ///
    /// # Errors
    /// When a label differs, or a probability by more than rounding.
    pub(crate) fn from_evaluate(answers: &Answers, evaluated: &[Prediction], rows: &TestRows) -> Result<Self> {
        let probabilities: Vec<Vec<f32>> = evaluated.iter().map(|row| row.probabilities.clone()).collect();
        let predicted: Vec<Vec<u32>> = evaluated.iter().map(|row| row.predicted.clone()).collect();
        let (largest, row) = largest_difference(&answers.probabilities, &probabilities);
        let changed = labels_changed(&answers.predicted, &predicted);
        if changed > 0 || largest > EVALUATE_TOLERANCE {
            return Err(Error::data(format!(
                "the exported model does not predict what the evaluated one did: {changed} of {} rows have other labels, and \
                 probabilities differ by up to {largest:.2e} (row {}), where {EVALUATE_TOLERANCE:.0e} is rounding",
                rows.len(),
                rows.id(row)
            ))
            .hint("predictions and model may be of different runs: run `cargo xtask pipeline --from evaluate --force`")
            .hint("use the same `device` in [evaluate] and [export]"));
        }
        Ok(Self { largest_probability_difference: largest, labels_changed: changed })
    }
}
