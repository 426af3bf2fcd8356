//! Loss, accuracy and F1 over the validation split.

pub(crate) mod batches;
pub(crate) mod metric;

use batches::EvalBatches;
use firebrand_arch::ProblemType;
use firebrand_model::Classifier;
use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Rows;

/// Figures over the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Mean of `-ln p(label)` in nats; with any number of labels per row, the mean over every decision about a label.
    pub loss: f64,
    /// Share of rows whose labels are all right.
    pub accuracy: f64,
    /// F1 averaged over labels; 0 for a label that no row has and none is given.
    pub macro_f1: f64,
    /// F1 over all decisions about labels; `None` when each row has exactly one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_f1: Option<f64>,
}

/// Counts of the decisions about one label.
#[derive(Debug, Clone, Copy, Default)]
struct Decisions {
    hits: u64,
    /// False positives and false negatives.
    wrong: u64,
}

fn macro_f1(labels: &[Decisions]) -> f64 {
    let f1 = |label: &Decisions| 2.0 * label.hits as f64 / (2 * label.hits + label.wrong).max(1) as f64;
    labels.iter().map(f1).sum::<f64>() / labels.len().max(1) as f64
}

impl Validation {
    /// The figures, unless training has made them NaN or infinite.
    pub(crate) fn finite(self) -> Result<Self> {
        if self.loss.is_finite() {
            return Ok(self);
        }
        Err(Error::other("the model's scores on the validation split are not finite numbers")
            .hint("lower `train.learning_rate`: training broke down"))
    }

    /// Accuracy, or micro F1, for the log.
    pub(crate) fn words(&self) -> String {
        match self.micro_f1 {
            None => format!("accuracy {:.2} %", 100.0 * self.accuracy),
            Some(f1) => format!("micro F1 {f1:.4}, all labels correct {:.2} %", 100.0 * self.accuracy),
        }
    }
}

/// Runs the model without dropout over all rows. `progress` is called with the number of rows of each finished batch.
pub(crate) fn validate(
    classifier: &Classifier,
    rows: &Rows,
    batches: &mut EvalBatches,
    progress: &mut dyn FnMut(u64),
) -> Result<Validation> {
    let logits = batches.logits(classifier, rows, progress)?;
    let labelled = logits.iter().enumerate().map(|(row, logits)| (logits.as_slice(), rows.labels(row)));
    Ok(match classifier.config().problem {
        ProblemType::SingleLabelClassification => one_label(labelled),
        ProblemType::MultiLabelClassification => several_labels(labelled),
    })
}

/// From scores and the one label of each row.
fn one_label<'a>(rows: impl Iterator<Item = (&'a [f32], &'a [u32])>) -> Validation {
    let (mut loss, mut right, mut count) = (0.0, 0, 0);
    let mut decisions = Vec::new();
    for (logits, labels) in rows {
        decisions.resize(logits.len(), Decisions::default());
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        // Of equal scores the first wins, as everywhere.
        let answer = logits.iter().position(|&logit| logit == largest);
        for target in labels.iter().map(|&label| label as usize) {
            loss += sum.ln() - f64::from(logits[target] - largest);
            match answer {
                Some(answer) if answer != target => {
                    decisions[answer].wrong += 1;
                    decisions[target].wrong += 1;
                }
                _ => decisions[target].hits += 1,
            }
            right += usize::from(answer == Some(target));
        }
        count += 1;
    }
    let count = f64::from(count);
    let accuracy = right as f64 / count;
    Validation { loss: loss / count, accuracy, macro_f1: macro_f1(&decisions), micro_f1: None }
}

/// From scores and any number of labels of each row. A label is assigned from a probability of one half on: a score of 0.
fn several_labels<'a>(rows: impl Iterator<Item = (&'a [f32], &'a [u32])>) -> Validation {
    let (mut loss, mut decisions, mut right, mut count) = (0.0, 0_u64, 0_u64, 0_u64);
    let (mut hits, mut wrong) = (0_u64, 0_u64);
    let mut by_label = Vec::new();
    for (logits, labels) in rows {
        by_label.resize(logits.len(), Decisions::default());
        let wrong_before = wrong;
        for (label, &logit) in (0..).zip(logits) {
            let (there, given) = (labels.contains(&label), logit >= 0.0);
            let logit = f64::from(logit);
            // `-ln σ(x)` or `-ln σ(-x)`, without overflow.
            loss += (-logit.abs()).exp().ln_1p() + if there { -logit } else { logit }.max(0.0);
            decisions += 1;
            hits += u64::from(there && given);
            wrong += u64::from(there != given);
            by_label[label as usize].hits += u64::from(there && given);
            by_label[label as usize].wrong += u64::from(there != given);
        }
        right += u64::from(wrong == wrong_before);
        count += 1;
    }
    // Without any label, true or assigned, nothing was missed.
    let micro_f1 = if hits + wrong == 0 { 1.0 } else { 2.0 * hits as f64 / (2 * hits + wrong) as f64 };
    let accuracy = right as f64 / count as f64;
    let macro_f1 = macro_f1(&by_label);
    Validation { loss: loss / decisions as f64, accuracy, macro_f1, micro_f1: Some(micro_f1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "found {found}, expected {expected}");
    }

    /// `x = torch.tensor([[0.5, -1.5, 3.0], [-90.0, 100.0, -2.0]], dtype=torch.float64)`,
    /// `t = [[1, 0, 0], [0, 1, 1]]`: `BCEWithLogitsLoss()(x, t)`, `f1_score(t, x >= 0, average="micro")`.
    #[test]
    fn several_labels_are_measured_as_the_reference_does() {
        let rows: [(&[f32], &[u32]); 2] = [(&[0.5, -1.5, 3.0], &[0]), (&[-90.0, 100.0, -2.0], &[1, 2])];
        let found = several_labels(rows.into_iter());
        close(found.loss, 0.975167604);
        close(found.micro_f1.unwrap(), 0.666666667);
        // `average="macro"`.
        close(found.macro_f1, 0.666666667);
        assert_eq!(found.accuracy, 0.0);
        assert_eq!(several_labels([rows[0], (&[-1.0; 3], &[])].into_iter()).accuracy, 0.5);
    }

    #[test]
    fn one_label_is_the_first_of_equal_scores() {
        let rows: [(&[f32], &[u32]); 2] = [(&[1.0, 1.0], &[0]), (&[1.0, 1.0], &[1])];
        let found = one_label(rows.into_iter());
        close(found.loss, std::f64::consts::LN_2);
        assert_eq!((found.accuracy, found.micro_f1), (0.5, None));
        // Of the first label one hit and one false alarm, of the second one miss: 2/3 and 0.
        close(found.macro_f1, 1.0 / 3.0);
    }
}
