//! All figures of one set of predictions.

use serde::Serialize;

use crate::{
    Averages, Calibration, ClassFigures, ConfusedPair, ConfusionMatrix, Interval, MetricsError, Sample, brier_score,
    log_loss, percentile_95, roc_auc_of_classes, wilson_95,
};

/// A larger confusion matrix is not written out: its [confused pairs](Figures::confused_pairs) say what it holds.
const MOST_CLASSES_WRITTEN: usize = 100;
/// Confused pairs that are kept.
const MOST_PAIRS: usize = 1000;

/// All figures of one set of predictions, by class index. Rows have exactly one class, or, measured by
/// [`of_label_sets`](Self::of_label_sets), any number of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Rows measured.
    pub rows: u64,
    /// Share of rows whose prediction is right; with any number of classes per row, right in all of them (subset accuracy).
    pub accuracy: f64,
    /// The accuracy's 95 % interval: Wilson's, or, once [resampled](Self::add_intervals) by groups of rows, the bootstrap's.
    pub accuracy_interval_95: Interval,
    /// F1, every class weighing the same.
    pub macro_f1: f64,
    /// 95 % interval of the macro F1, once [resampled](Self::add_intervals).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1_interval_95: Option<Interval>,
    /// 95 % interval of the micro F1, once resampled; only with any number of classes per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_f1_interval_95: Option<Interval>,
    /// Share of the decisions about a class of a row that are wrong; only with any number of classes per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hamming_loss: Option<f64>,
    /// 95 % interval of the Hamming loss, once resampled; only with any number of classes per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hamming_loss_interval_95: Option<Interval>,
    /// Matthews correlation; only with one class per row, and `None` where there is one class only in truth or predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matthews_correlation: Option<f64>,
    /// Mean of `-ln p(true class)`, in nats, or of `-ln p` of every decision; `None` without probabilities.
    pub log_loss: Option<f64>,
    /// 95 % interval of the log loss, once resampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_loss_interval_95: Option<Interval>,
    /// Mean squared distance of the probabilities from the truth; `None` without probabilities.
    pub brier_score: Option<f64>,
    /// Area under the ROC curve; `None` without probabilities, or where a class has no rows.
    pub roc_auc: Option<f64>,
    /// Precision, recall and F1, averaged over classes.
    pub averages: Averages,
    /// One entry per class.
    pub classes: Vec<ClassFigures>,
    /// Rows: the true class; columns: the predicted one. Only with one class per row; not in JSON above 100 classes.
    #[serde(skip_serializing_if = "is_not_written")]
    pub confusion: Option<ConfusionMatrix>,
    /// Pairs of classes by how often the one was predicted for the other, at most 1,000. Only with one class per row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confused_pairs: Vec<ConfusedPair>,
    /// Confidence against accuracy; `None` without probabilities.
    pub calibration: Option<Calibration>,
}

fn is_not_written(confusion: &Option<ConfusionMatrix>) -> bool {
    confusion.as_ref().is_none_or(|confusion| confusion.classes() > MOST_CLASSES_WRITTEN)
}

impl Figures {
    /// Measures. `probabilities`, where known, has one value per class and row.
    ///
    /// # Errors
    /// When the lists do not fit together, or something in them is no class or no probability.
    pub fn new<R: AsRef<[f32]> + Sync>(
        truth: &[u32],
        predicted: &[u32],
        probabilities: Option<&[R]>,
        classes: usize,
    ) -> Result<Self, MetricsError> {
        let confusion = ConfusionMatrix::new(truth, predicted, classes)?;
        let by_class: Vec<ClassFigures> = (0..classes).map(|class| confusion.class_figures(class)).collect();
        let averages = Averages::of(&by_class);
        let mut confused_pairs = confusion.confused_pairs();
        confused_pairs.truncate(MOST_PAIRS);
        let mut figures = Self {
            accuracy: confusion.accuracy(),
            accuracy_interval_95: wilson_95(confusion.correct(), confusion.total()),
            matthews_correlation: confusion.matthews_correlation(),
            confused_pairs,
            ..Self::of_classes(confusion.total(), by_class, averages)
        };
        figures.confusion = Some(confusion);
        if let Some(probabilities) = probabilities {
            figures.log_loss = Some(log_loss(truth, probabilities, classes)?);
            figures.brier_score = Some(brier_score(truth, probabilities, classes)?);
            figures.roc_auc = roc_auc_of_classes(truth, probabilities, classes);
            figures.calibration = Some(Calibration::new(truth, probabilities, classes)?);
        }
        Ok(figures)
    }

    /// The figures that counts by class give; the others are still to be filled in.
    pub(crate) fn of_classes(rows: u64, classes: Vec<ClassFigures>, averages: Averages) -> Self {
        Self {
            rows,
            accuracy: 0.0,
            accuracy_interval_95: wilson_95(0, 0),
            macro_f1: averages.macro_.f1.unwrap_or_default(),
            macro_f1_interval_95: None,
            micro_f1_interval_95: None,
            hamming_loss: None,
            hamming_loss_interval_95: None,
            matthews_correlation: None,
            log_loss: None,
            log_loss_interval_95: None,
            brier_score: None,
            roc_auc: None,
            averages,
            classes,
            confusion: None,
            confused_pairs: Vec::new(),
            calibration: None,
        }
    }

    /// Adds the intervals that samples of [`resample`](crate::resample) give. `groups`: whether groups of rows were drawn,
    /// so that the accuracy's interval, too, must be theirs.
    pub fn add_intervals(&mut self, samples: &[Sample], groups: bool) {
        let interval = |of: fn(&Sample) -> f64, figure: f64| percentile_95(samples.iter().map(of), figure);
        if groups {
            self.accuracy_interval_95 = interval(|sample| sample.accuracy, self.accuracy);
        }
        self.macro_f1_interval_95 = Some(interval(|sample| sample.macro_f1, self.macro_f1));
        self.log_loss_interval_95 = self.log_loss.map(|loss| interval(|sample| sample.log_loss, loss));
        self.hamming_loss_interval_95 = self.hamming_loss.map(|loss| interval(|sample| sample.hamming_loss, loss));
        let micro_f1 = self.averages.micro.f1.filter(|_| self.hamming_loss.is_some());
        self.micro_f1_interval_95 = micro_f1.map(|f1| interval(|sample| sample.micro_f1, f1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PREDICTED, PROBABILITIES, TRUTH};
    use crate::{Predictions, Units, resample};

    #[test]
    fn without_probabilities_their_figures_are_missing_and_the_others_the_same() {
        let with = Figures::new(&TRUTH, &PREDICTED, Some(&PROBABILITIES), CLASSES).unwrap();
        let without = Figures::new::<[f32; 3]>(&TRUTH, &PREDICTED, None, CLASSES).unwrap();
        assert!(with.log_loss.is_some() && with.brier_score.is_some() && with.roc_auc.is_some());
        assert!(with.calibration.is_some());
        let stripped = Figures { log_loss: None, brier_score: None, roc_auc: None, calibration: None, ..with };
        assert_eq!(stripped, without);
    }

    #[test]
    fn every_figure_lies_in_its_interval() {
        let mut figures = Figures::new(&TRUTH, &PREDICTED, Some(&PROBABILITIES), CLASSES).unwrap();
        let lists = |labels: &[u32]| labels.iter().map(|&label| vec![label]).collect::<Vec<_>>();
        let (truth, predicted) = (lists(&TRUTH), lists(&PREDICTED));
        let losses = vec![figures.log_loss.unwrap(); 10];
        let system = Predictions { truth: &truth, predicted: &predicted, losses: &losses, classes: CLASSES };
        figures.add_intervals(&resample(&[system], &Units::rows(10))[0], false);
        let macro_f1 = figures.macro_f1_interval_95.unwrap();
        assert!(macro_f1.low < figures.macro_f1 && figures.macro_f1 < macro_f1.high, "{macro_f1:?}");
        assert!(figures.log_loss_interval_95.is_some() && figures.micro_f1_interval_95.is_none());
        assert_eq!(figures.accuracy_interval_95, wilson_95(7, 10));
    }
}
