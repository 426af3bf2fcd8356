//! Predictions for a split, and their figures.

use firebrand_dataset::{LabelMap, Prediction};
use firebrand_metrics::{Figures, MetricsError, Predictions, Task};
use firebrand_pipeline::{Result, ResultExt};

use crate::rows::Rows;

/// The predictions of a model or baseline for a split, and their figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evaluation {
    /// The predicted labels of each row: exactly one, or any number for multi-label data.
    pub(crate) predicted: Vec<Vec<u32>>,
    /// The log loss of each row.
    losses: Vec<f64>,
    pub(crate) figures: Figures,
}

impl Evaluation {
    /// Predicts labels from probabilities, one list per row, and evaluates them.
    ///
    /// # Errors
    /// When the probabilities do not match the rows.
    pub(crate) fn new<R: AsRef<[f32]> + Sync>(
        rows: &Rows,
        probabilities: &[R],
        labels: &LabelMap,
    ) -> Result<Self, MetricsError> {
        let task = Task::new(labels.is_multi_label());
        let predicted = probabilities.iter().map(|row| task.assign(row.as_ref())).collect();
        Self::of_labels(rows, predicted, probabilities, labels)
    }

    /// Evaluates given predictions.
    ///
    /// # Errors
    /// When the predictions or the probabilities do not match the rows.
    pub(crate) fn of_labels<R: AsRef<[f32]> + Sync>(
        rows: &Rows,
        predicted: Vec<Vec<u32>>,
        probabilities: &[R],
        labels: &LabelMap,
    ) -> Result<Self, MetricsError> {
        let task = Task::new(labels.is_multi_label());
        let figures = task.figures(&rows.truth, &predicted, Some(probabilities), labels.len())?;
        Ok(Self { predicted, losses: task.losses(&rows.truth, probabilities), figures })
    }

    /// The predictions as the bootstrap and the paired tests take them.
    pub(crate) fn to_compare<'a>(&'a self, rows: &'a Rows) -> Predictions<'a> {
        Predictions {
            truth: &rows.truth,
            predicted: &self.predicted,
            losses: &self.losses,
            classes: self.figures.classes.len(),
        }
    }
}

/// The model's predictions for a split, with their probabilities.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) evaluation: Evaluation,
    pub(crate) probabilities: Vec<Vec<f32>>,
    task: Task,
}

impl Outcome {
    /// Evaluates probabilities, one list per row.
    ///
    /// # Errors
    /// When the probabilities do not match the rows.
    pub(crate) fn new(rows: &Rows, probabilities: Vec<Vec<f32>>, labels: &LabelMap) -> Result<Self> {
        let evaluation = Evaluation::new(rows, &probabilities, labels)
            .or_data(|| "the model's predictions cannot be evaluated".to_owned())?;
        Ok(Self { evaluation, probabilities, task: Task::new(labels.is_multi_label()) })
    }

    /// The rows of `predictions.parquet`, ordered by id. Consumes the probabilities, because with many labels a
    /// second copy would not fit into memory.
    pub(crate) fn into_predictions(self, rows: &Rows) -> Vec<Prediction> {
        let predictions = self.evaluation.predicted.into_iter().zip(self.probabilities);
        let known = rows.ids.iter().zip(&rows.truth);
        let prediction = |((&id, labels), (predicted, probabilities)): ((_, &Vec<u32>), _)| Prediction {
            id,
            labels: labels.clone(),
            predicted,
            probabilities,
        };
        known.zip(predictions).map(prediction).collect()
    }

    /// Probability of a row's predicted label; for multi-label rows, of the least confident decision.
    pub(crate) fn confidence(&self, row: usize) -> f32 {
        let probabilities = &self.probabilities[row];
        match self.task {
            Task::SingleLabel => {
                let label = self.evaluation.predicted[row].first();
                label.map_or(0.0, |&label| probabilities[label as usize])
            }
            Task::MultiLabel => probabilities.iter().map(|&yes| yes.max(1.0 - yes)).fold(1.0, f32::min),
        }
    }

    /// Confidence in a wrong prediction; for multi-label rows, in the most confident of the wrong decisions.
    pub(crate) fn confidence_in_mistake(&self, rows: &Rows, row: usize) -> f32 {
        if self.task == Task::SingleLabel {
            return self.confidence(row);
        }
        let (truth, predicted) = (&rows.truth[row], &self.evaluation.predicted[row]);
        let decisions = (0..).zip(&self.probabilities[row]);
        let wrong = decisions.filter(|(label, _)| truth.contains(label) != predicted.contains(label));
        wrong.map(|(_, &yes)| yes.max(1.0 - yes)).fold(0.0, f32::max)
    }

    /// Rows predicted wrongly, most confident first; ties by id.
    pub(crate) fn mistakes(&self, rows: &Rows) -> Vec<usize> {
        let mut wrong: Vec<(f32, usize)> = (0..rows.len())
            .filter(|&row| self.evaluation.predicted[row] != rows.truth[row])
            .map(|row| (self.confidence_in_mistake(rows, row), row))
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
        assert_eq!(outcome().evaluation.figures.accuracy, 0.5);
    }

    #[test]
    fn multi_label_rows_get_every_label_above_the_threshold() {
        let mut rows = rows();
        rows.truth = vec![vec![0, 1], vec![], vec![1], vec![0]];
        let probabilities = vec![vec![0.5, 0.9], vec![0.2, 0.7], vec![0.95, 0.1], vec![0.6, 0.4]];
        let outcome = Outcome::new(&rows, probabilities, &labels().with_multi_label(true)).unwrap();
        assert_eq!(outcome.evaluation.predicted, [vec![0, 1], vec![1], vec![0], vec![0]]);
        assert_eq!(outcome.mistakes(&rows), [2, 1]);
        assert_eq!((outcome.confidence(2), outcome.confidence_in_mistake(&rows, 2)), (0.9, 0.95));
        let figures = &outcome.evaluation.figures;
        assert_eq!((figures.accuracy, figures.hamming_loss), (0.5, Some(0.375)));
        assert_eq!(outcome.into_predictions(&rows)[1].labels, [0_u32; 0]);
    }

    #[test]
    fn predictions_keep_the_rows_order() {
        let predictions = outcome().into_predictions(&rows());
        assert_eq!(predictions.iter().map(|row| row.id).collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!((&predictions[1].labels, &predictions[1].predicted), (&vec![0], &vec![1]));
    }

    #[test]
    fn invalid_probabilities_are_refused() {
        for labels in [labels(), labels().with_multi_label(true)] {
            assert!(Outcome::new(&rows(), vec![vec![f32::NAN, 0.5]; 4], &labels).is_err());
            assert!(Outcome::new(&rows(), vec![vec![0.5, 0.5]; 3], &labels).is_err());
        }
    }
}
