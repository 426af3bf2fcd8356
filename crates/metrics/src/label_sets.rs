//! Figures of rows with any number of classes: each class of each row is a decision by itself.

use rayon::prelude::*;

use crate::per_class::{Averages, ClassFigures};
use crate::probability::{decision_loss, one_per_row};
use crate::ranking::by_class;
use crate::{Calibration, Figures, MetricsError, roc_auc, wilson_95};

impl Figures {
    /// Measures rows with any number of classes each, none included. `probabilities`, where known, has one value per class
    /// and row, each by itself between 0 and 1.
    ///
    /// Log loss and Brier score are those of the decisions, of which there are rows times classes; calibration is measured
    /// per class; the area under the ROC curve is the mean over classes. All as scikit-learn has it for indicator matrices.
    ///
    /// # Errors
    /// When the lists do not fit together, a row has a class twice, or something in them is no class or no probability.
    pub fn of_label_sets<T: AsRef<[u32]> + Sync, P: AsRef<[u32]>, R: AsRef<[f32]> + Sync>(
        truth: &[T],
        predicted: &[P],
        probabilities: Option<&[R]>,
        classes: usize,
    ) -> Result<Self, MetricsError> {
        let counts = Counts::new(truth, predicted, classes)?;
        let figures = counts.class_figures();
        let averages = Averages::of(&figures);
        let rows = truth.len() as u64;
        let mut figures = Self {
            accuracy: counts.right as f64 / rows as f64,
            accuracy_interval_95: wilson_95(counts.right, rows),
            hamming_loss: Some(counts.wrong as f64 / (rows as f64 * classes as f64)),
            ..Self::of_classes(rows, figures, averages)
        };
        if let Some(probabilities) = probabilities {
            check_decisions(probabilities, truth.len(), classes)?;
            let losses: Vec<(f64, f64)> = truth
                .par_iter()
                .zip(probabilities)
                .map(|(truth, probabilities)| row_losses(truth.as_ref(), probabilities.as_ref()))
                .collect();
            figures.log_loss = Some(losses.iter().map(|(loss, _)| loss).sum::<f64>() / rows as f64);
            figures.brier_score = Some(losses.iter().map(|(_, square)| square).sum::<f64>() / rows as f64);
            let rows_of = rows_of_classes(truth, classes);
            figures.calibration = Some(Calibration::of_label_sets(&rows_of, probabilities));
            figures.roc_auc = mean_roc_auc(&rows_of, probabilities);
        }
        Ok(figures)
    }
}

/// Mean log loss and mean squared error of the decisions about one row.
pub(crate) fn row_losses(truth: &[u32], probabilities: &[f32]) -> (f64, f64) {
    let (mut loss, mut square) = (0.0, 0.0);
    for (class, &yes) in (0..).zip(probabilities) {
        let has = truth.contains(&class);
        loss += decision_loss(if has { yes } else { 1.0 - yes });
        square += (f64::from(yes) - f64::from(u8::from(has))).powi(2);
    }
    let classes = probabilities.len() as f64;
    (loss / classes, square / classes)
}

/// The mean over classes; `None` where one has no rows, or all of them.
fn mean_roc_auc<R: AsRef<[f32]> + Sync>(rows_of: &[Vec<u32>], probabilities: &[R]) -> Option<f64> {
    if rows_of.iter().any(|rows| rows.is_empty() || rows.len() == probabilities.len()) {
        return None;
    }
    let areas: Vec<Option<f64>> = by_class(probabilities, rows_of.len(), |class, scores| {
        let mut positive = vec![false; scores.len()];
        rows_of[class].iter().for_each(|&row| positive[row as usize] = true);
        roc_auc(&positive, scores)
    });
    let areas: Vec<f64> = areas.into_iter().collect::<Option<_>>()?;
    Some(areas.iter().sum::<f64>() / areas.len() as f64)
}

/// The rows that have each class.
pub(crate) fn rows_of_classes<T: AsRef<[u32]>>(truth: &[T], classes: usize) -> Vec<Vec<u32>> {
    let mut rows_of = vec![Vec::new(); classes];
    for (row, truth) in (0..).zip(truth) {
        truth.as_ref().iter().for_each(|&class| rows_of[class as usize].push(row));
    }
    rows_of
}

/// Refuses what is no probability of each class for each row.
fn check_decisions<R: AsRef<[f32]>>(rows: &[R], expected: usize, classes: usize) -> Result<(), MetricsError> {
    one_per_row(expected, rows.len())?;
    for (row, values) in rows.iter().map(AsRef::as_ref).enumerate() {
        if values.len() != classes {
            let problem = format!("{} probabilities for {classes} classes", values.len());
            return Err(MetricsError::Probabilities { row, problem });
        }
        if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(MetricsError::Probabilities { row, problem: format!("{value} is not a probability") });
        }
    }
    Ok(())
}

/// What is counted over all rows; grows with the classes, not with rows times classes.
struct Counts {
    hits: Vec<u64>,
    support: Vec<u64>,
    predicted: Vec<u64>,
    /// Rows whose classes are all right.
    right: u64,
    /// Decisions that are wrong.
    wrong: u64,
}

impl Counts {
    fn new<T: AsRef<[u32]>, P: AsRef<[u32]>>(
        truth: &[T],
        predicted: &[P],
        classes: usize,
    ) -> Result<Self, MetricsError> {
        if truth.len() != predicted.len() {
            return Err(MetricsError::Lengths { what: "predictions", expected: truth.len(), found: predicted.len() });
        }
        if classes < 2 {
            return Err(MetricsError::Classes(classes));
        }
        if truth.is_empty() {
            return Err(MetricsError::NoRows);
        }
        let zeros = || vec![0; classes];
        let mut counts = Self { hits: zeros(), support: zeros(), predicted: zeros(), right: 0, wrong: 0 };
        for (row, (truth, predicted)) in truth.iter().zip(predicted).enumerate() {
            let (truth, predicted) = (truth.as_ref(), predicted.as_ref());
            count_row(&mut counts.support, truth, row)?;
            count_row(&mut counts.predicted, predicted, row)?;
            let mut hits = 0;
            for class in truth.iter().filter(|class| predicted.contains(class)) {
                counts.hits[*class as usize] += 1;
                hits += 1;
            }
            let wrong = truth.len() + predicted.len() - 2 * hits;
            counts.right += u64::from(wrong == 0);
            counts.wrong += wrong as u64;
        }
        Ok(counts)
    }

    fn class_figures(&self) -> Vec<ClassFigures> {
        let counts = self.hits.iter().zip(&self.support).zip(&self.predicted);
        counts.map(|((&hits, &support), &predicted)| ClassFigures::new(hits, support, predicted)).collect()
    }
}

/// Adds a row's classes to their counts.
fn count_row(counts: &mut [u64], labels: &[u32], row: usize) -> Result<(), MetricsError> {
    let classes = counts.len();
    for (place, &index) in labels.iter().enumerate() {
        let count = counts.get_mut(index as usize).ok_or(MetricsError::Class { row, index, classes })?;
        if labels[..place].contains(&index) {
            return Err(MetricsError::Twice { row, index });
        }
        *count += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likely;

    const TRUTH: [&[u32]; 8] = [&[0], &[0, 1], &[], &[1, 2], &[2], &[0, 2], &[], &[1]];
    const PROBABILITIES: [[f32; 4]; 8] = [
        [0.9, 0.2, 0.1, 0.05],
        [0.6, 0.4, 0.3, 0.1],
        [0.2, 0.1, 0.55, 0.3],
        [0.3, 0.8, 0.7, 0.2],
        [0.1, 0.3, 0.5, 0.1],
        [0.45, 0.6, 0.9, 0.2],
        [0.1, 0.2, 0.3, 0.4],
        [0.5, 0.95, 0.05, 0.6],
    ];

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "found {found}, expected {expected}");
    }

    fn figures() -> Figures {
        let predicted = PROBABILITIES.map(|row| likely(&row));
        Figures::of_label_sets(&TRUTH, &predicted, Some(&PROBABILITIES), 4).unwrap()
    }

    /// scikit-learn 1.9.1, with `t` the indicator matrix of `TRUTH` and `p` the probabilities (float32), `y = p >= .5`:
    ///
    /// ```python
    /// m.accuracy_score(t, y), m.hamming_loss(t, y), m.log_loss(t.ravel(), p.ravel()), m.brier_score_loss(t.ravel(), p.ravel())
    /// [m.precision_recall_fscore_support(t, y, average=a, zero_division=0) for a in ("micro", "macro", "weighted", None)]
    /// ```
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let found = figures();
        close(found.accuracy, 0.500000000);
        close(found.hamming_loss.unwrap(), 0.187500000);
        close(found.log_loss.unwrap(), 0.350922137);
        close(found.brier_score.unwrap(), 0.105390623);
        let expected: [(crate::Average, [f64; 3]); 3] = [
            (found.averages.micro, [0.636363636, 0.777777778, 0.700000000]),
            (found.averages.macro_, [0.520833333, 0.583333333, 0.547619048]),
            (found.averages.weighted, [0.694444444, 0.777777778, 0.730158730]),
        ];
        for (average, [precision, recall, f1]) in expected {
            close(average.precision.unwrap(), precision);
            close(average.recall.unwrap(), recall);
            close(average.f1.unwrap(), f1);
        }
        let expected: [(f64, f64, f64, u64); 3] = [
            (0.666666667, 0.666666667, 0.666666667, 3),
            (0.666666667, 0.666666667, 0.666666667, 3),
            (0.750000000, 1.000000000, 0.857142857, 3),
        ];
        for (class, (precision, recall, f1, support)) in found.classes.iter().zip(expected) {
            close(class.precision.unwrap(), precision);
            close(class.recall.unwrap(), recall);
            close(class.f1.unwrap(), f1);
            assert_eq!(class.support, support);
        }
        // No row has class 3, and one is given it: scikit-learn's recall is 0 for want of rows.
        let last = found.classes[3];
        assert_eq!((last.precision, last.recall, last.f1, last.support), (Some(0.0), None, Some(0.0), 0));
        assert_eq!(found.roc_auc, None);
        assert_eq!((found.matthews_correlation, found.confusion), (None, None));
    }

    /// `m.roc_auc_score(t[:, :3], p[:, :3])`
    #[test]
    fn the_area_is_the_mean_of_the_classes() {
        let probabilities = PROBABILITIES.map(|row| [row[0], row[1], row[2]]);
        let predicted = probabilities.map(|row| likely(&row));
        let found = Figures::of_label_sets(&TRUTH, &predicted, Some(&probabilities), 3).unwrap();
        close(found.roc_auc.unwrap(), 0.933333333);
    }

    #[test]
    fn one_class_per_row_is_a_special_case() {
        let (truth, predicted) = ([[0_u32], [1], [2], [1]], [[0_u32], [2], [2], [1]]);
        let sets = Figures::of_label_sets::<_, _, [f32; 3]>(&truth, &predicted, None, 3).unwrap();
        let single = Figures::new::<[f32; 3]>(&truth.concat(), &predicted.concat(), None, 3).unwrap();
        assert_eq!((sets.accuracy, sets.averages, &sets.classes), (single.accuracy, single.averages, &single.classes));
    }

    #[test]
    fn the_order_of_a_rows_classes_does_not_matter() {
        let found = Figures::of_label_sets::<_, _, [f32; 3]>(&[[0, 2]], &[[2, 0]], None, 3).unwrap();
        assert_eq!((found.accuracy, found.hamming_loss), (1.0, Some(0.0)));
    }

    #[test]
    fn rows_without_any_class_are_measured_too() {
        let none: [[u32; 0]; 2] = [[], []];
        let found = Figures::of_label_sets::<_, _, [f32; 2]>(&none, &none, None, 2).unwrap();
        // Nothing was there to be found and nothing was given: F1 is undefined, not 0.
        assert_eq!((found.accuracy, found.hamming_loss, found.averages.micro.f1), (1.0, Some(0.0), None));
    }

    #[test]
    fn a_model_that_assigns_nothing_has_no_precision() {
        let nothing: [[u32; 0]; 2] = [[], []];
        let found = Figures::of_label_sets::<_, _, [f32; 2]>(&[[0], [1]], &nothing, None, 2).unwrap();
        let micro = found.averages.micro;
        assert_eq!((micro.precision, micro.recall, micro.f1), (None, Some(0.0), Some(0.0)));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let refused = |truth: &[&[u32]], probabilities: &[[f32; 2]]| {
            let predicted = vec![[0_u32]; probabilities.len()];
            Figures::of_label_sets(truth, &predicted, Some(probabilities), 2).unwrap_err().to_string()
        };
        assert_eq!(refused(&[&[2]], &[[0.5; 2]]), "row 0 has class 2, but there are 2 classes (0 to 1)");
        assert_eq!(refused(&[&[], &[1, 1]], &[[0.5; 2]; 2]), "row 1 has class 1 twice");
        assert_eq!(refused(&[&[1]], &[[0.5, f32::NAN]]), "row 0: NaN is not a probability");
        assert_eq!(refused(&[&[1], &[0]], &[[0.5; 2]]), "2 rows, but 1 predictions");
        assert_eq!(refused(&[], &[]), "there are no rows to measure");
    }
}
