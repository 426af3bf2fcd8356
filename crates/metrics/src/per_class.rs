//! Precision, recall and F1: of each class, and averaged.

use serde::Serialize;

use crate::ConfusionMatrix;

/// A figure that a class may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Undefined when no row was predicted as the class.
    Precision,
    /// Undefined when no row is of the class.
    Recall,
    /// Undefined when both are.
    F1,
}

/// The figures of one class. One that would be zero divided by zero is 0 and named in `undefined`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Share of the rows predicted as this class that are of it: `tp / (tp + fp)`.
    pub precision: f64,
    /// Share of the rows of this class that were predicted as it: `tp / (tp + fn)`.
    pub recall: f64,
    /// Harmonic mean of the two: `2·tp / (2·tp + fp + fn)`.
    pub f1: f64,
    /// Rows of this class.
    pub support: u64,
    /// Rows predicted as this class.
    pub predicted: u64,
    /// Which of the figures are 0 for want of rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undefined: Vec<Measure>,
}

/// Precision, recall and F1 averaged over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Average {
    /// Averaged precision.
    pub precision: f64,
    /// Averaged recall.
    pub recall: f64,
    /// Averaged F1.
    pub f1: f64,
}

/// The three usual ways to average over classes. Every class of the label map counts, present or not: scikit-learn's
/// `labels=range(classes), zero_division=0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Averages {
    /// Every class weighs the same.
    #[serde(rename = "macro")]
    pub macro_: Average,
    /// Counts of all classes are added first; with exactly one label per row all three equal the accuracy.
    pub micro: Average,
    /// Every class weighs as much as it has rows.
    pub weighted: Average,
}

/// `part / whole`, and 0 with a mark where both are 0.
fn share(part: u64, whole: u64, measure: Measure, undefined: &mut Vec<Measure>) -> f64 {
    if whole == 0 {
        undefined.push(measure);
        return 0.0;
    }
    part as f64 / whole as f64
}

impl ConfusionMatrix {
    /// The figures of one class.
    ///
    /// # Panics
    /// When the index is not below [`classes`](Self::classes).
    pub fn class_figures(&self, class: usize) -> ClassFigures {
        let (support, predicted) = (self.support(class), self.predicted(class));
        let hits = self.count(class, class);
        let mut undefined = Vec::new();
        let precision = share(hits, predicted, Measure::Precision, &mut undefined);
        let recall = share(hits, support, Measure::Recall, &mut undefined);
        let f1 = share(2 * hits, support + predicted, Measure::F1, &mut undefined);
        ClassFigures { precision, recall, f1, support, predicted, undefined }
    }

    /// The figures of all classes, averaged.
    pub fn averages(&self) -> Averages {
        let classes: Vec<ClassFigures> = (0..self.classes()).map(|class| self.class_figures(class)).collect();
        Averages::of(&classes, self.correct())
    }
}

impl Averages {
    /// Averages over classes, of which `hits` rows, each counted once per class, were predicted as what they are.
    pub(crate) fn of(classes: &[ClassFigures], hits: u64) -> Self {
        let average = |weight: &dyn Fn(&ClassFigures) -> f64| {
            let all: f64 = classes.iter().map(weight).sum();
            let mean = |figure: fn(&ClassFigures) -> f64| {
                ratio(classes.iter().map(|c| weight(c) * figure(c)).sum::<f64>(), all)
            };
            Average { precision: mean(|c| c.precision), recall: mean(|c| c.recall), f1: mean(|c| c.f1) }
        };
        let predicted: u64 = classes.iter().map(|class| class.predicted).sum();
        let support: u64 = classes.iter().map(|class| class.support).sum();
        Self {
            macro_: average(&|_| 1.0),
            micro: Average {
                precision: ratio(hits as f64, predicted as f64),
                recall: ratio(hits as f64, support as f64),
                f1: ratio((2 * hits) as f64, (predicted + support) as f64),
            },
            weighted: average(&|class| class.support as f64),
        }
    }
}

/// 0 where there is nothing to share: rows with any number of labels may all have none.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PREDICTED, TRUTH, assert_close};

    fn matrix() -> ConfusionMatrix {
        ConfusionMatrix::new(&TRUTH, &PREDICTED, CLASSES).unwrap()
    }

    #[test]
    fn per_class_figures_are_those_of_scikit_learn() {
        let expected = [(0.75, 0.75, 0.75, 4), (0.75, 0.75, 0.75, 4), (0.5, 0.5, 0.5, 2)];
        for (class, (precision, recall, f1, support)) in expected.into_iter().enumerate() {
            let figures = matrix().class_figures(class);
            assert_close(figures.precision, precision);
            assert_close(figures.recall, recall);
            assert_close(figures.f1, f1);
            assert_eq!(figures.support, support);
            assert!(figures.undefined.is_empty());
        }
    }

    #[test]
    fn averages_are_those_of_scikit_learn() {
        let averages = matrix().averages();
        assert_close(averages.macro_.f1, 0.666_666_666_7);
        assert_close(averages.micro.f1, 0.7);
        assert_close(averages.weighted.f1, 0.7);
    }

    /// `precision_recall_fscore_support([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0], labels=[0, 1, 2, 3], zero_division=0)`
    #[test]
    fn a_class_never_predicted_has_no_precision_and_one_never_seen_no_recall() {
        let matrix = ConfusionMatrix::new(&[0, 0, 0, 1, 1, 2], &[0, 0, 1, 1, 0, 0], 4).unwrap();
        let figures: Vec<ClassFigures> = (0..4).map(|class| matrix.class_figures(class)).collect();
        assert_close(figures[0].precision, 0.5);
        assert_close(figures[0].recall, 0.666_666_666_7);
        assert_close(figures[0].f1, 0.571_428_571_4);
        assert_eq!(figures[2].undefined, [Measure::Precision]);
        assert_eq!(figures[3].undefined, [Measure::Precision, Measure::Recall, Measure::F1]);
        assert_eq!((figures[3].precision, figures[3].recall, figures[3].f1), (0.0, 0.0, 0.0));
        let averages = matrix.averages();
        assert_close(averages.macro_.precision, 0.25);
        assert_close(averages.macro_.f1, 0.267_857_142_9);
        assert_close(averages.weighted.precision, 0.416_666_666_7);
        assert_close(averages.weighted.f1, 0.452_380_952_4);
    }
}
