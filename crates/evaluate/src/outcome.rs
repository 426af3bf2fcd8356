//! A model's answers to a part, and what they are worth.

use firebrand_dataset::{LabelMap, Prediction};
use firebrand_metrics::{Figures, MetricsError, likely, most_likely};
use firebrand_pipeline::{Result, ResultExt};

use crate::rows::Rows;

/// Answers and figures of one part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The labels given to each row: one, or any number.
    pub(crate) predicted: Vec<Vec<u32>>,
    pub(crate) probabilities: Vec<Vec<f32>>,
    pub(crate) figures: Figures,
    multi_label: bool,
}

/// The answers that these probabilities mean, one list per row, and their figures.
///
/// # Errors
/// When they are no probabilities of these rows.
pub(crate) fn answers(
    rows: &Rows,
    probabilities: &[Vec<f32>],
    labels: &LabelMap,
) -> Result<(Vec<Vec<u32>>, Figures), MetricsError> {
    if labels.is_multi_label() {
        let predicted: Vec<Vec<u32>> = probabilities.iter().map(|row| likely(row)).collect();
        let figures = Figures::of_label_sets(&rows.truth, &predicted, Some(probabilities), labels.len())?;
        return Ok((predicted, figures));
    }
    // A row without a most likely class has NaN or nothing in it: the figures refuse it, by number.
    let predicted: Vec<u32> = probabilities.iter().map(|row| most_likely(row).unwrap_or_default()).collect();
    let figures = Figures::new(&rows.single(), &predicted, Some(probabilities), labels.len())?;
    Ok((predicted.into_iter().map(|label| vec![label]).collect(), figures))
}

impl Outcome {
    /// Measures these probabilities, one list per row.
    ///
    /// # Errors
    /// When they are no probabilities of these rows.
    pub(crate) fn new(rows: &Rows, probabilities: Vec<Vec<f32>>, labels: &LabelMap) -> Result<Self> {
        let (predicted, figures) =
            answers(rows, &probabilities, labels).or_data(|| "the model's answers cannot be measured".to_owned())?;
        Ok(Self { predicted, probabilities, figures, multi_label: labels.is_multi_label() })
    }

    /// The rows of `predictions.parquet`, in the order of the ids.
    pub(crate) fn predictions(&self, rows: &Rows) -> Vec<Prediction> {
        (0..rows.len())
            .map(|row| Prediction {
                id: rows.ids[row],
                labels: rows.truth[row].clone(),
                predicted: self.predicted[row].clone(),
                probabilities: self.probabilities[row].clone(),
            })
            .collect()
    }

    /// Probability of the answer to a row; with any number of labels, of the decision that it is least sure of.
    pub(crate) fn confidence(&self, row: usize) -> f32 {
        if self.multi_label {
            return self.probabilities[row].iter().map(|&yes| yes.max(1.0 - yes)).fold(1.0, f32::min);
        }
        self.predicted[row].first().map_or(0.0, |&label| self.probabilities[row][label as usize])
    }

    /// Probability of the wrong answer to a row; with any number of labels, of the wrong decision that it is most sure of.
    pub(crate) fn sureness(&self, rows: &Rows, row: usize) -> f32 {
        if !self.multi_label {
            return self.confidence(row);
        }
        let (truth, predicted) = (&rows.truth[row], &self.predicted[row]);
        let decisions = (0..).zip(&self.probabilities[row]);
        let wrong = decisions.filter(|(label, _)| truth.contains(label) != predicted.contains(label));
        wrong.map(|(_, &yes)| yes.max(1.0 - yes)).fold(0.0, f32::max)
    }

    /// The wrong rows, most confident first; of equals, the lower id.
    pub(crate) fn mistakes(&self, rows: &Rows) -> Vec<usize> {
        let mut wrong: Vec<(f32, usize)> = (0..rows.len())
            .filter(|&row| self.predicted[row] != rows.truth[row])
            .map(|row| (self.sureness(rows, row), row))
            .collect();
        wrong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        wrong.into_iter().map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        Rows::of((0..4).map(|id| (id * 10, format!("text {id}"), u32::from(id > 1))))
    }

    fn labels() -> LabelMap {
        LabelMap::new(vec!["no".to_owned(), "yes".to_owned()]).unwrap()
    }

    fn outcome() -> Outcome {
        let probabilities = vec![vec![0.9, 0.1], vec![0.3, 0.7], vec![0.8, 0.2], vec![0.25, 0.75]];
        Outcome::new(&rows(), probabilities, &labels()).unwrap()
    }

    #[test]
    fn mistakes_come_most_confident_first() {
        assert_eq!(outcome().mistakes(&rows()), [2, 1]);
        assert_eq!(outcome().figures.accuracy, 0.5);
    }

    #[test]
    fn any_number_of_labels_is_given_by_the_half() {
        let mut rows = rows();
        rows.truth = vec![vec![0, 1], vec![], vec![1], vec![0]];
        let probabilities = vec![vec![0.5, 0.9], vec![0.2, 0.7], vec![0.95, 0.1], vec![0.6, 0.4]];
        let outcome = Outcome::new(&rows, probabilities, &labels().with_multi_label(true)).unwrap();
        assert_eq!(outcome.predicted, [vec![0, 1], vec![1], vec![0], vec![0]]);
        assert_eq!(outcome.mistakes(&rows), [2, 1]);
        assert_eq!((outcome.confidence(2), outcome.sureness(&rows, 2)), (0.9, 0.95));
        assert_eq!((outcome.figures.accuracy, outcome.figures.hamming_loss), (0.5, Some(0.375)));
        assert_eq!(outcome.predictions(&rows)[1].labels, [0_u32; 0]);
    }

    #[test]
    fn predictions_keep_the_rows_order() {
        let predictions = outcome().predictions(&rows());
        assert_eq!(predictions.iter().map(|row| row.id).collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!((&predictions[1].labels, &predictions[1].predicted), (&vec![0], &vec![1]));
    }

    #[test]
    fn answers_that_are_no_probabilities_are_refused() {
        for labels in [labels(), labels().with_multi_label(true)] {
            assert!(Outcome::new(&rows(), vec![vec![f32::NAN, 0.5]; 4], &labels).is_err());
            assert!(Outcome::new(&rows(), vec![vec![0.5, 0.5]; 3], &labels).is_err());
        }
    }
}
