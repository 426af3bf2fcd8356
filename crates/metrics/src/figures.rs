//! All figures of one set of predictions.

use serde::Serialize;

use crate::{
    Averages, Calibration, ClassFigures, ConfusionMatrix, Interval, MetricsError, brier_score, log_loss,
    roc_auc_of_classes, wilson_95,
};

/// All figures of one set of predictions, by class index. Rows have exactly one class, or, measured by
/// [`of_label_sets`](Self::of_label_sets), any number of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Rows measured.
    pub rows: u64,
    /// Share of rows whose prediction is right; with any number of classes per row, right in all of them (subset accuracy).
    pub accuracy: f64,
    /// The accuracy's 95 % interval, after Wilson.
    pub accuracy_interval_95: Interval,
    /// F1, every class weighing the same.
    pub macro_f1: f64,
    /// Share of the decisions about a class of a row that are wrong; only with any number of classes per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hamming_loss: Option<f64>,
    /// Matthews correlation; only with one class per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matthews_correlation: Option<f64>,
    /// Mean of `-ln p(true class)`, in nats, or of `-ln p` of every decision; `None` without probabilities.
    pub log_loss: Option<f64>,
    /// Mean squared distance of the probabilities from the truth; `None` without probabilities.
    pub brier_score: Option<f64>,
    /// Area under the ROC curve; `None` without probabilities, or where a class has no rows.
    pub roc_auc: Option<f64>,
    /// Precision, recall and F1, averaged over classes.
    pub averages: Averages,
    /// One entry per class.
    pub classes: Vec<ClassFigures>,
    /// Rows: the true class; columns: the predicted one. Only with one class per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion: Option<ConfusionMatrix>,
    /// Confidence against accuracy; `None` without probabilities.
    pub calibration: Option<Calibration>,
}

impl Figures {
    /// Measures. `probabilities`, where known, has one value per class and row.
    ///
    /// # Errors
    /// When the lists do not fit together, or something in them is no class or no probability.
    pub fn new<R: AsRef<[f32]>>(
        truth: &[u32],
        predicted: &[u32],
        probabilities: Option<&[R]>,
        classes: usize,
    ) -> Result<Self, MetricsError> {
        let confusion = ConfusionMatrix::new(truth, predicted, classes)?;
        let averages = confusion.averages();
        let mut figures = Self {
            rows: confusion.total(),
            accuracy: confusion.accuracy(),
            accuracy_interval_95: wilson_95(confusion.correct(), confusion.total()),
            macro_f1: averages.macro_.f1,
            hamming_loss: None,
            matthews_correlation: Some(confusion.matthews_correlation()),
            log_loss: None,
            brier_score: None,
            roc_auc: None,
            averages,
            classes: (0..classes).map(|class| confusion.class_figures(class)).collect(),
            confusion: Some(confusion),
            calibration: None,
        };
        if let Some(probabilities) = probabilities {
            figures.log_loss = Some(log_loss(truth, probabilities, classes)?);
            figures.brier_score = Some(brier_score(truth, probabilities, classes)?);
            figures.roc_auc = roc_auc_of_classes(truth, probabilities, classes);
            figures.calibration = Some(Calibration::new(truth, probabilities, classes)?);
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PREDICTED, PROBABILITIES, TRUTH};

    #[test]
    fn without_probabilities_their_figures_are_missing_and_the_others_the_same() {
        let with = Figures::new(&TRUTH, &PREDICTED, Some(&PROBABILITIES), CLASSES).unwrap();
        let without = Figures::new::<[f32; 3]>(&TRUTH, &PREDICTED, None, CLASSES).unwrap();
        assert!(with.log_loss.is_some() && with.brier_score.is_some() && with.roc_auc.is_some());
        assert!(with.calibration.is_some());
        let stripped = Figures { log_loss: None, brier_score: None, roc_auc: None, calibration: None, ..with };
        assert_eq!(stripped, without);
    }
}
