//! The model's answers to a part, and what they are worth.

use firebrand_dataset::Prediction;
use firebrand_metrics::{Figures, most_likely};
use firebrand_pipeline::{Result, ResultExt};

use crate::rows::Rows;

/// Answers and figures of one part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) predicted: Vec<u32>,
    pub(crate) probabilities: Vec<Vec<f32>>,
    pub(crate) figures: Figures,
}

impl Outcome {
    /// Measures these probabilities, one list per row.
    ///
    /// # Errors
    /// When they are no probabilities of these rows.
    pub(crate) fn new(rows: &Rows, probabilities: Vec<Vec<f32>>, classes: usize) -> Result<Self> {
        // A row without a most likely class has NaN or nothing in it: the figures refuse it, by number.
        let predicted: Vec<u32> = probabilities.iter().map(|row| most_likely(row).unwrap_or_default()).collect();
        let figures = Figures::new(&rows.truth, &predicted, Some(&probabilities), classes)
            .or_data(|| "the model's answers cannot be measured".to_owned())?;
        Ok(Self { predicted, probabilities, figures })
    }

    /// The rows of `predictions.parquet`, in the order of the ids.
    pub(crate) fn predictions(&self, rows: &Rows) -> Vec<Prediction> {
        (0..rows.len())
            .map(|row| Prediction {
                id: rows.ids[row],
                labels: vec![rows.truth[row]],
                predicted: vec![self.predicted[row]],
                probabilities: self.probabilities[row].clone(),
            })
            .collect()
    }

    /// Probability of the answer to a row.
    pub(crate) fn confidence(&self, row: usize) -> f32 {
        self.probabilities[row][self.predicted[row] as usize]
    }

    /// The wrong rows, most confident first; of equals, the lower id.
    pub(crate) fn mistakes(&self, rows: &Rows) -> Vec<usize> {
        let mut wrong: Vec<usize> = (0..rows.len()).filter(|&row| self.predicted[row] != rows.truth[row]).collect();
        wrong.sort_by(|&a, &b| self.confidence(b).total_cmp(&self.confidence(a)).then(a.cmp(&b)));
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        Rows::of((0..4).map(|id| (id * 10, format!("text {id}"), u32::from(id > 1))))
    }

    fn outcome() -> Outcome {
        let probabilities = vec![vec![0.9, 0.1], vec![0.3, 0.7], vec![0.8, 0.2], vec![0.25, 0.75]];
        Outcome::new(&rows(), probabilities, 2).unwrap()
    }

    #[test]
    fn mistakes_come_most_confident_first() {
        assert_eq!(outcome().mistakes(&rows()), [2, 1]);
        assert_eq!(outcome().figures.accuracy, 0.5);
    }

    #[test]
    fn predictions_keep_the_rows_order() {
        let predictions = outcome().predictions(&rows());
        assert_eq!(predictions.iter().map(|row| row.id).collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!((&predictions[1].labels, &predictions[1].predicted), (&vec![0], &vec![1]));
    }

    #[test]
    fn answers_that_are_no_probabilities_are_refused() {
        assert!(Outcome::new(&rows(), vec![vec![f32::NAN, 0.5]; 4], 2).is_err());
        assert!(Outcome::new(&rows(), vec![vec![0.5, 0.5]; 3], 2).is_err());
    }
}
