//! `parity.json`: that what was written answers like what was trained, and what int8 costs.

use firebrand_dataset::Prediction;
use firebrand_model::{Classifier, QuantizedTensor};
use firebrand_pipeline::{Error, Result};
use serde::Serialize;

use crate::Config;
use crate::answers::{Answers, labels_changed, largest_difference};
use crate::rows::TestRows;

/// How far the exported model's probabilities may be from those that evaluate wrote: rounding on another device.
const EVALUATE_TOLERANCE: f32 = 1e-4;

/// What was measured on the files of the bundle, after loading them again.
#[derive(Debug, Serialize)]
pub(crate) struct Parity {
    /// Test rows that everything here is measured on.
    pub(crate) rows: usize,
    pub(crate) fp32: Measured,
    /// `null` when `int8` is off.
    pub(crate) int8: Option<Int8>,
    /// The float32 file against the answers that evaluate wrote.
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
    /// Where rows have any number of labels: then the gates hold this against the configuration, and not the accuracy,
    /// for which one wrong decision about a label makes the whole row wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) micro_f1: Option<f64>,
}

/// Micro F1, where that is what a model with any number of labels is judged by.
fn micro_f1(answers: &Answers) -> Option<f64> {
    answers.figures.hamming_loss.map(|_| answers.figures.averages.micro.f1.unwrap_or_default())
}

impl Measured {
    pub(crate) fn new(file: &'static str, bytes: u64, answers: &Answers) -> Self {
        let (accuracy, macro_f1) = (answers.figures.accuracy, answers.figures.macro_f1);
        Self { file, bytes, accuracy, macro_f1, micro_f1: micro_f1(answers) }
    }

    /// What the gates hold against the configuration.
    pub(crate) fn score(&self) -> f64 {
        self.micro_f1.unwrap_or(self.accuracy)
    }

    /// The score's name, in a sentence.
    pub(crate) fn score_name(&self) -> &'static str {
        if self.micro_f1.is_some() { "micro F1" } else { "accuracy" }
    }
}

/// The int8 file: its figures, and how it differs from the float32 one.
#[derive(Debug, Serialize)]
pub(crate) struct Int8 {
    pub(crate) file: &'static str,
    pub(crate) bytes: u64,
    pub(crate) accuracy: f64,
    pub(crate) macro_f1: f64,
    /// Where rows have any number of labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) micro_f1: Option<f64>,
    pub(crate) largest_logit_difference: f32,
    /// Rows with other labels than the float32 file's.
    pub(crate) labels_changed: usize,
    /// The quantised matrices, the one with the largest error first.
    pub(crate) matrices: Vec<Matrix>,
}

/// What became of a quantised matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// The root mean square of the change, as a share of that of the weights.
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
            file: Classifier::INT8_FILE,
            bytes,
            accuracy: int8.figures.accuracy,
            macro_f1: int8.figures.macro_f1,
            micro_f1: micro_f1(int8),
            largest_logit_difference: largest_difference(&fp32.logits, &int8.logits).0,
            labels_changed: labels_changed(&fp32.predicted, &int8.predicted),
            matrices,
        }
    }

    /// What the gates hold against the configuration.
    pub(crate) fn score(&self) -> f64 {
        self.micro_f1.unwrap_or(self.accuracy)
    }
}

/// How two sets of answers differ.
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
                "the exported model does not answer as the evaluated one did: {changed} of {} rows have other labels, and \
                 probabilities by up to {largest:.2e} (row {}), where {EVALUATE_TOLERANCE:.0e} is rounding",
                rows.len(),
                rows.id(row)
            ))
            .hint("predictions and model may be of different runs: run `cargo xtask pipeline --from evaluate --force`")
            .hint("use the same `device` in [evaluate] and [export]"));
        }
        Ok(Self { largest_probability_difference: largest, labels_changed: changed })
    }
}

/// What the configuration asks for, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Gate {
    pub(crate) max_accuracy_drop: f64,
    /// Of the accuracy, or of micro F1 where rows have any number of labels, from float32 to int8; `null` without int8.
    pub(crate) accuracy_drop: Option<f64>,
    pub(crate) min_accuracy: f64,
    /// Always true in a finished stage: a gate that fails refuses the export.
    pub(crate) passed: bool,
}

impl Gate {
    /// Holds the figures against the configuration.
    ///
    /// # Errors
    /// A gate error with both numbers.
    pub(crate) fn pass(config: &Config, fp32: &Measured, int8: Option<&Int8>) -> Result<Self> {
        let Config { max_accuracy_drop, min_accuracy, .. } = *config;
        let name = fp32.score_name();
        let low = |what: &str, score: f64| {
            Error::gate(format!(
                "the {what} model's test {name} is {score:.4}, below `export.min_accuracy` = {min_accuracy}"
            ))
        };
        if fp32.score() < min_accuracy {
            return Err(low("float32", fp32.score()).hint("train it better, or lower `export.min_accuracy`"));
        }
        let drop = int8.map(|int8| fp32.score() - int8.score());
        if let (Some(int8), Some(drop)) = (int8, drop) {
            // A fall of exactly the limit passes, whatever the last bits of the two shares are.
            if drop > max_accuracy_drop + 1e-9 {
                return Err(Error::gate(format!(
                    "int8 takes the test {name} from {:.4} to {:.4}: a fall of {drop:.4}, where \
                     `export.max_accuracy_drop` allows {max_accuracy_drop}",
                    fp32.score(),
                    int8.score()
                ))
                .hint(format!("the weights that change most are {}", worst(&int8.matrices)))
                .hint("raise `export.max_accuracy_drop`, or set `export.int8 = false` to export float32 only"));
            }
            if int8.score() < min_accuracy {
                return Err(low("int8", int8.score())
                    .hint("lower `export.min_accuracy`, or set `export.int8 = false` to export float32 only"));
            }
        }
        Ok(Self { max_accuracy_drop, accuracy_drop: drop, min_accuracy, passed: true })
    }
}

/// The first few matrices with their errors, as a sentence's end.
fn worst(matrices: &[Matrix]) -> String {
    let few = matrices.iter().take(3).map(|matrix| format!("{} ({:.1} %)", matrix.name, matrix.relative_error * 100.0));
    few.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{ErrorKind, Slot, config::default_section};

    use super::*;

    fn gate(change: impl FnOnce(&mut Config), fp32: f64, int8: Option<f64>) -> Result<Gate> {
        let mut config: Config = default_section(Slot::Export).unwrap();
        change(&mut config);
        let fp32 = Measured { file: "model.safetensors", bytes: 4, accuracy: fp32, macro_f1: fp32, micro_f1: None };
        let matrix = Matrix { name: "a.weight".to_owned(), shape: vec![2, 2], relative_error: 0.25 };
        let int8 = int8.map(|accuracy| Int8 {
            file: Classifier::INT8_FILE,
            bytes: 1,
            accuracy,
            macro_f1: accuracy,
            micro_f1: None,
            largest_logit_difference: 0.5,
            labels_changed: 1,
            matrices: vec![matrix],
        });
        Gate::pass(&config, &fp32, int8.as_ref())
    }

    fn refused(change: impl FnOnce(&mut Config), fp32: f64, int8: Option<f64>) -> String {
        let error = gate(change, fp32, int8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gate);
        error.render()
    }

    #[test]
    fn a_fall_within_the_limit_passes() {
        let passed = gate(|_| (), 0.83, Some(0.82)).unwrap();
        assert!(passed.passed && (passed.accuracy_drop.unwrap() - 0.01).abs() < 1e-12);
        assert!(gate(|_| (), 0.83, Some(0.84)).unwrap().accuracy_drop.unwrap() < 0.0);
        assert_eq!(gate(|_| (), 0.83, None).unwrap().accuracy_drop, None);
    }

    #[test]
    fn a_larger_fall_is_refused_with_both_numbers_and_the_worst_weights() {
        let text = refused(|_| (), 0.83, Some(0.66));
        assert!(text.contains("from 0.8300 to 0.6600") && text.contains("a fall of 0.1700"), "{text}");
        assert!(text.contains("a.weight (25.0 %)") && text.contains("export.int8 = false"), "{text}");
        refused(|config| config.max_accuracy_drop = -1.0, 0.83, Some(0.83));
    }

    #[test]
    fn a_low_accuracy_is_refused_and_says_of_which_file() {
        let text = refused(|config| config.min_accuracy = 0.9, 0.83, None);
        assert!(text.contains("the float32 model's test accuracy is 0.8300"), "{text}");
        let text = refused(|config| config.min_accuracy = 0.83, 0.83, Some(0.825));
        assert!(text.contains("the int8 model's test accuracy is 0.8250"), "{text}");
    }
}
