//! The predictions of a model for the test rows, their figures, and differences between the predictions of two models.

use firebrand_metrics::{Figures, Task};
use firebrand_pipeline::{Error, Result, ResultExt};
use firebrand_scorer::Scorer;

use crate::rows::TestRows;

/// Logits, probabilities, predicted labels and figures of a model.
#[derive(Debug)]
pub(crate) struct Predictions {
    /// Logits, one list per row.
    pub(crate) logits: Vec<Vec<f32>>,
    pub(crate) probabilities: Vec<Vec<f32>>,
    /// The predicted labels of each row: exactly one, or any number for a multi-label model.
    pub(crate) predicted: Vec<Vec<u32>>,
    pub(crate) figures: Figures,
}

impl Predictions {
    /// Classifies every row.
    pub(crate) fn of(
        scorer: &Scorer,
        rows: &TestRows,
        batch_size: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let logits = scorer.logits(&rows.tokens(), batch_size, progress).map_err(|error| {
            error
                .hint("model and tokens may be from different runs: run `cargo xtask pipeline --from tokenize --force`")
        })?;
        if let Some(row) = logits.iter().position(|logits| logits.iter().any(|logit| !logit.is_finite())) {
            let problem = format!("the model's logits for row {} are not finite: {:?}", rows.id(row), logits[row]);
            return Err(Error::data(problem).hint("training has diverged: lower `train.learning_rate`"));
        }
        let problem = scorer.config().problem;
        let probabilities: Vec<Vec<f32>> = logits.iter().map(|logits| problem.probabilities(logits)).collect();
        let task = Task::new(rows.labels.is_multi_label());
        let predicted: Vec<Vec<u32>> = probabilities.iter().map(|row| task.assign(row)).collect();
        let figures = task
            .figures(&rows.truth(), &predicted, Some(&probabilities), rows.labels.len())
            .or_data(|| "the model's predictions cannot be evaluated".to_owned())?;
        Ok(Self { logits, probabilities, predicted, figures })
    }
}

/// The largest absolute difference between two lists of lists of the same shape, and its row. NaN counts as infinite.
pub(crate) fn largest_difference(some: &[Vec<f32>], others: &[Vec<f32>]) -> (f32, usize) {
    let mut largest = (0.0, 0);
    for (row, (some, others)) in some.iter().zip(others).enumerate() {
        for (a, b) in some.iter().zip(others) {
            let difference = (a - b).abs();
            let difference = if difference.is_nan() { f32::INFINITY } else { difference };
            if difference > largest.0 {
                largest = (difference, row);
            }
        }
    }
    largest
}

/// Number of rows with different labels.
pub(crate) fn labels_changed(some: &[Vec<u32>], others: &[Vec<u32>]) -> usize {
    some.iter().zip(others).filter(|(a, b)| a != b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_says_where_it_is() {
        let some = [vec![1.0, 2.0], vec![3.0, 4.0]];
        assert_eq!(largest_difference(&some, &some), (0.0, 0));
        assert_eq!(largest_difference(&some, &[vec![1.0, 1.5], vec![2.0, 4.0]]), (1.0, 1));
        assert_eq!(largest_difference(&some, &[vec![1.0, 2.0], vec![f32::NAN, 4.0]]).0, f32::INFINITY);
    }

    #[test]
    fn changed_labels_are_counted() {
        let sets = |labels: &[u32]| labels.iter().map(|&label| vec![label]).collect::<Vec<_>>();
        assert_eq!(labels_changed(&sets(&[0, 1, 1]), &sets(&[0, 0, 1])), 1);
        assert_eq!(labels_changed(&[vec![], vec![0, 1]], &[vec![0], vec![0, 1]]), 1);
    }
}
