//! `parity.json`: whether the exported model predicts like the trained model, and what int8 costs.

use firebrand_arch::{INT8_FILE, QuantizedTensor};
use firebrand_dataset::Prediction;
use firebrand_pipeline::{Error, Result};
use serde::Serialize;

use crate::gate::Gate;
use crate::predictions::{Predictions, labels_changed, largest_difference};
use crate::rows::TestRows;
use crate::tokenization::Tokenization;

/// Largest allowed difference from the probabilities of the evaluate stage, which may have rounded on another device.
const EVALUATE_TOLERANCE: f32 = 1e-4;

/// Measurements of the bundle after loading its files again.
#[derive(Debug, Serialize)]
pub(crate) struct Parity {
    /// Number of test rows that the models were evaluated on.
    pub(crate) rows: usize,
    /// Comparison of the bundle's tokenization with the token files.
    pub(crate) tokenization: Tokenization,
    pub(crate) fp32: Measured,
    /// `null` when `int8` is off.
    pub(crate) int8: Option<Int8>,
    /// Comparison of the float32 model with the predictions of the evaluate stage.
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
    /// For multi-label models only, whose gates use it instead of the accuracy, in which one wrong label makes the whole row
    /// wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) micro_f1: Option<f64>,
}

/// Micro F1 of a multi-label model; `None` for single-label models.
fn micro_f1(predictions: &Predictions) -> Option<f64> {
    predictions.figures.hamming_loss.map(|_| predictions.figures.averages.micro.f1.unwrap_or_default())
}

impl Measured {
    pub(crate) fn new(file: &'static str, bytes: u64, predictions: &Predictions) -> Self {
        let (accuracy, macro_f1) = (predictions.figures.accuracy, predictions.figures.macro_f1);
        Self { file, bytes, accuracy, macro_f1, micro_f1: micro_f1(predictions) }
    }

    /// The figure that the gates compare with the configured accuracies.
    pub(crate) fn score(&self) -> f64 {
        self.micro_f1.unwrap_or(self.accuracy)
    }

    /// The name of that figure.
    pub(crate) fn score_name(&self) -> &'static str {
        if self.micro_f1.is_some() { "micro F1" } else { "accuracy" }
    }
}

/// The figures of the int8 file, and its differences from the float32 file.
#[derive(Debug, Serialize)]
pub(crate) struct Int8 {
    #[serde(flatten)]
    pub(crate) measured: Measured,
    pub(crate) largest_logit_difference: f32,
    /// Number of rows with other labels than those of the float32 file.
    pub(crate) labels_changed: usize,
    /// The quantized matrices, largest error first.
    pub(crate) matrices: Vec<Matrix>,
}

/// The quantization error of a matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// Root mean square of the error, relative to that of the weights.
    pub(crate) relative_error: f64,
}

impl Int8 {
    pub(crate) fn new(bytes: u64, int8: &Predictions, fp32: &Predictions, quantized: Vec<QuantizedTensor>) -> Self {
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

/// The difference between two sets of predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    pub(crate) largest_probability_difference: f32,
    pub(crate) labels_changed: usize,
}

impl Difference {
    /// Compares the exported model with the predictions of the evaluate stage.
    ///
    /// # Errors
    /// When a label differs, or a probability differs by more than rounding.
    pub(crate) fn from_evaluate(predictions: &Predictions, evaluated: &[Prediction], rows: &TestRows) -> Result<Self> {
        let probabilities: Vec<Vec<f32>> = evaluated.iter().map(|row| row.probabilities.clone()).collect();
        let predicted: Vec<Vec<u32>> = evaluated.iter().map(|row| row.predicted.clone()).collect();
        let (largest, row) = largest_difference(&predictions.probabilities, &probabilities);
        let changed = labels_changed(&predictions.predicted, &predicted);
        if changed > 0 || largest > EVALUATE_TOLERANCE {
            return Err(Error::data(format!(
                "the exported model does not predict like the evaluated model: {changed} of {} rows have other labels, and \
                 probabilities differ by up to {largest:.2e} (row {}), where {EVALUATE_TOLERANCE:.0e} is rounding",
                rows.len(),
                rows.id(row)
            ))
            .hint("predictions and model may be from different runs: run `cargo xtask pipeline --from evaluate --force`")
            .hint("use the same `device` in [evaluate] and [export]"));
        }
        Ok(Self { largest_probability_difference: largest, labels_changed: changed })
    }
}
