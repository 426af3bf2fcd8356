//! Precision, recall and F1: of each class, and averaged.

use serde::Serialize;

use crate::ConfusionMatrix;

/// The figures of one class. One that would be zero divided by zero is `None`, and `null` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Share of the rows predicted as this class that are of it: `tp / (tp + fp)`. `None` when no row was predicted as it.
    pub precision: Option<f64>,
    /// Share of the rows of this class that were predicted as it: `tp / (tp + fn)`. `None` when no row is of it.
    pub recall: Option<f64>,
    /// Harmonic mean of the two: `2·tp / (2·tp + fp + fn)`. `None` when both are.
    pub f1: Option<f64>,
    /// Rows of this class.
    pub support: u64,
    /// Rows predicted as this class.
    pub predicted: u64,
    /// Rows of this class that were predicted as it: true positives.
    pub hits: u64,
}

impl ClassFigures {
    /// The figures of a class with so many true positives, rows, and rows predicted as it.
    pub fn new(hits: u64, support: u64, predicted: u64) -> Self {
        Self {
            precision: share(hits, predicted),
            recall: share(hits, support),
            f1: share(2 * hits, support + predicted),
            support,
            predicted,
            hits,
        }
    }

    /// Rows of this class that were predicted as something else, or not as it: false negatives.
    pub fn missed(&self) -> u64 {
        self.support - self.hits
    }

    /// Rows of other classes that were predicted as this one: false positives.
    pub fn false_positives(&self) -> u64 {
        self.predicted - self.hits
    }
}

/// Precision, recall and F1 averaged over classes. `None` where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Average {
    /// Averaged precision.
    pub precision: Option<f64>,
    /// Averaged recall.
    pub recall: Option<f64>,
    /// Averaged F1.
    pub f1: Option<f64>,
}

/// The three usual ways to average over classes. Every class of the label map counts, and in the macro and the weighted
/// mean an undefined figure counts as 0: scikit-learn's `labels=range(classes), zero_division=0`.
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

/// `part / whole`, if there is a whole.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl ConfusionMatrix {
    /// The figures of one class.
    ///
    /// # Panics
    /// When the index is not below [`classes`](Self::classes).
    pub fn class_figures(&self, class: usize) -> ClassFigures {
        ClassFigures::new(self.count(class, class), self.support(class), self.predicted(class))
    }

    /// The figures of all classes, averaged.
    pub fn averages(&self) -> Averages {
        let classes: Vec<ClassFigures> = (0..self.classes()).map(|class| self.class_figures(class)).collect();
        Averages::of(&classes)
    }
}

impl Averages {
    /// Averages over classes.
    pub(crate) fn of(classes: &[ClassFigures]) -> Self {
        let average = |weight: fn(&ClassFigures) -> f64| {
            let all: f64 = classes.iter().map(weight).sum();
            let mean = |figure: fn(&ClassFigures) -> Option<f64>| {
                let sum: f64 = classes.iter().map(|class| weight(class) * figure(class).unwrap_or(0.0)).sum();
                (all > 0.0).then(|| sum / all)
            };
            Average { precision: mean(|c| c.precision), recall: mean(|c| c.recall), f1: mean(|c| c.f1) }
        };
        let sum = |count: fn(&ClassFigures) -> u64| classes.iter().map(count).sum::<u64>();
        let all = ClassFigures::new(sum(|c| c.hits), sum(|c| c.support), sum(|c| c.predicted));
        Self {
            macro_: average(|_| 1.0),
            micro: Average { precision: all.precision, recall: all.recall, f1: all.f1 },
            weighted: average(|class| class.support as f64),
        }
    }
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
            assert_close(figures.precision.unwrap(), precision);
            assert_close(figures.recall.unwrap(), recall);
            assert_close(figures.f1.unwrap(), f1);
            assert_eq!(figures.support, support);
        }
    }

    #[test]
    fn averages_are_those_of_scikit_learn() {
        let averages = matrix().averages();
        assert_close(averages.macro_.f1.unwrap(), 0.666_666_666_7);
        assert_close(averages.micro.f1.unwrap(), 0.7);
        assert_close(averages.weighted.f1.unwrap(), 0.7);
    }

    /// `precision_recall_fscore_support([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0], labels=[0, 1, 2, 3], zero_division=0)`
    #[test]
    fn a_class_never_predicted_has_no_precision_and_one_never_seen_no_recall() {
        let matrix = ConfusionMatrix::new(&[0, 0, 0, 1, 1, 2], &[0, 0, 1, 1, 0, 0], 4).unwrap();
        let figures: Vec<ClassFigures> = (0..4).map(|class| matrix.class_figures(class)).collect();
        assert_close(figures[0].precision.unwrap(), 0.5);
        assert_close(figures[0].recall.unwrap(), 0.666_666_666_7);
        assert_close(figures[0].f1.unwrap(), 0.571_428_571_4);
        assert_eq!((figures[2].precision, figures[2].recall, figures[2].f1), (None, Some(0.0), Some(0.0)));
        assert_eq!((figures[3].precision, figures[3].recall, figures[3].f1), (None, None, None));
        let averages = matrix.averages();
        assert_close(averages.macro_.precision.unwrap(), 0.25);
        assert_close(averages.macro_.f1.unwrap(), 0.267_857_142_9);
        assert_close(averages.weighted.precision.unwrap(), 0.416_666_666_7);
        assert_close(averages.weighted.f1.unwrap(), 0.452_380_952_4);
    }
}
