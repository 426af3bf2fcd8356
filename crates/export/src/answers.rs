//! What a model answers to the test rows, what that is worth, and how two models' answers differ.

use firebrand_metrics::{Figures, most_likely};
use firebrand_model::{Classifier, softmax};
use firebrand_pipeline::{Error, Result, ResultExt};

use crate::rows::TestRows;

/// Scores, answers and figures of one model.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Before softmax, one list per row.
    pub(crate) logits: Vec<Vec<f32>>,
    pub(crate) probabilities: Vec<Vec<f32>>,
    pub(crate) predicted: Vec<u32>,
    pub(crate) figures: Figures,
}

impl Answers {
    /// Asks the model about every row.
    pub(crate) fn of(
        classifier: &Classifier,
        rows: &TestRows,
        batch_size: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let logits = classifier
            .logits(&rows.tokens(), batch_size, progress)
            .or_data(|| "the model cannot answer the tokenized test rows".to_owned())
            .map_err(|error| error.hint("model and tokens may be of different runs: run `--from tokenize --force`"))?;
        Self::new(logits, rows)
    }

    fn new(logits: Vec<Vec<f32>>, rows: &TestRows) -> Result<Self> {
        if let Some(row) = logits.iter().position(|logits| logits.iter().any(|logit| !logit.is_finite())) {
            let problem = format!("the model's answer to row {} is not finite: {:?}", rows.id(row), logits[row]);
            return Err(Error::data(problem).hint("training has diverged: lower `train.learning_rate`"));
        }
        let probabilities: Vec<Vec<f32>> = logits.iter().map(|logits| softmax(logits)).collect();
        // Finite logits have a most likely class.
        let predicted: Vec<u32> = probabilities.iter().map(|row| most_likely(row).unwrap_or_default()).collect();
        let classes = logits.first().map_or(0, Vec::len);
        let figures = Figures::new(&rows.truth, &predicted, Some(&probabilities), classes)
            .or_data(|| "the model's answers cannot be measured".to_owned())?;
        Ok(Self { logits, probabilities, predicted, figures })
    }
}

/// The largest difference between two lists of lists of the same shape, and the row where it is. NaN counts as infinite.
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

/// How many rows have another label.
pub(crate) fn labels_changed(some: &[u32], others: &[u32]) -> usize {
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
        assert_eq!(labels_changed(&[0, 1, 1], &[0, 0, 1]), 1);
    }
}
