//! From probabilities to labels: the one place that decides which labels a classifier assigns.

use rayon::prelude::*;

use crate::label_sets::row_losses;
use crate::probability::decision_loss;
use crate::{Figures, MetricsError};

/// A multi-label model assigns a label from this probability on.
pub const THRESHOLD: f32 = 0.5;

/// How many labels a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Exactly one: the most likely label is assigned.
    SingleLabel,
    /// Any number, none included: every label at [`THRESHOLD`] or above is assigned.
    MultiLabel,
}

impl Task {
    /// The task of a label map.
    pub fn new(multi_label: bool) -> Self {
        if multi_label { Self::MultiLabel } else { Self::SingleLabel }
    }

    /// The labels that these probabilities assign, in ascending order. A single-label row with NaN, or without
    /// probabilities, gets label 0; [`figures`](Self::figures) refuses such rows by number.
    pub fn assign(self, probabilities: &[f32]) -> Vec<u32> {
        match self {
            Self::SingleLabel => vec![most_likely(probabilities).unwrap_or_default()],
            Self::MultiLabel => likely(probabilities),
        }
    }

    /// Measures assigned labels. `probabilities`, where known, has one value per class and row.
    ///
    /// # Errors
    /// When the lists do not fit together, or something in them is no class or no probability.
    pub fn figures<R: AsRef<[f32]> + Sync>(
        self,
        truth: &[Vec<u32>],
        predicted: &[Vec<u32>],
        probabilities: Option<&[R]>,
        classes: usize,
    ) -> Result<Figures, MetricsError> {
        match self {
            Self::SingleLabel => Figures::new(&one_label(truth)?, &one_label(predicted)?, probabilities, classes),
            Self::MultiLabel => Figures::of_label_sets(truth, predicted, probabilities, classes),
        }
    }

    /// The log loss of each row: their mean is the [figures'](Figures::log_loss). The rows and probabilities must be valid
    /// ones, which [`figures`](Self::figures) checks.
    pub fn losses<R: AsRef<[f32]> + Sync>(self, truth: &[Vec<u32>], probabilities: &[R]) -> Vec<f64> {
        let loss = |(truth, row): (&Vec<u32>, &R)| match self {
            Self::SingleLabel => {
                let label = truth.first().and_then(|&label| row.as_ref().get(label as usize));
                label.map_or(0.0, |&probability| decision_loss(probability))
            }
            Self::MultiLabel => row_losses(truth, row.as_ref()).0,
        };
        truth.par_iter().zip(probabilities).map(loss).collect()
    }
}

/// The label of each row, where each has exactly one.
fn one_label(rows: &[Vec<u32>]) -> Result<Vec<u32>, MetricsError> {
    let label = |(row, labels): (usize, &Vec<u32>)| match labels[..] {
        [label] => Ok(label),
        _ => Err(MetricsError::NotOneLabel { row, labels: labels.len() }),
    };
    rows.iter().enumerate().map(label).collect()
}

/// The class with the highest probability, the first of equal ones. `None` for an empty row or one with NaN.
pub fn most_likely(probabilities: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (class, &probability) in (0_u32..).zip(probabilities) {
        if probability.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, highest)| probability > highest) {
            best = Some((class, probability));
        }
    }
    best.map(|(class, _)| class)
}

/// The classes with a probability of [`THRESHOLD`] or more, in their order.
pub fn likely(probabilities: &[f32]) -> Vec<u32> {
    (0..).zip(probabilities).filter(|(_, probability)| **probability >= THRESHOLD).map(|(class, _)| class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PREDICTED, PROBABILITIES, TRUTH, assert_close};

    #[test]
    fn the_first_of_equal_probabilities_is_the_answer() {
        let answers: Vec<Option<u32>> = PROBABILITIES.iter().map(|row| most_likely(row)).collect();
        assert_eq!(answers, PREDICTED.map(Some));
        assert_eq!(most_likely(&[0.2, 0.4, 0.4]), Some(1));
        assert_eq!(most_likely(&[]), None);
        assert_eq!(most_likely(&[0.5, f32::NAN]), None);
    }

    #[test]
    fn one_label_by_the_maximum_and_any_number_by_the_threshold() {
        assert_eq!(Task::new(false).assign(&[0.3, 0.4, 0.3]), [1]);
        assert_eq!(Task::new(true).assign(&[0.5, 0.4, 0.9]), [0, 2]);
        assert_eq!(Task::new(true).assign(&[0.1, 0.4]), [0_u32; 0]);
    }

    #[test]
    fn the_mean_of_the_rows_losses_is_the_log_loss() {
        let truth: Vec<Vec<u32>> = TRUTH.iter().map(|&label| vec![label]).collect();
        for task in [Task::SingleLabel, Task::MultiLabel] {
            let predicted: Vec<Vec<u32>> = PROBABILITIES.iter().map(|row| task.assign(row)).collect();
            let figures = task.figures(&truth, &predicted, Some(&PROBABILITIES), CLASSES).unwrap();
            let mean = task.losses(&truth, &PROBABILITIES).iter().sum::<f64>() / 10.0;
            assert_close(mean, figures.log_loss.unwrap());
        }
    }

    #[test]
    fn rows_without_exactly_one_label_are_refused_where_each_must_have_one() {
        let refused = Task::SingleLabel.figures::<[f32; 2]>(&[vec![0], vec![0, 1]], &[vec![0], vec![0]], None, 2);
        assert_eq!(refused.unwrap_err().to_string(), "row 1 has 2 labels, but the task has exactly one per row");
    }
}
