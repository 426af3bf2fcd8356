//! Figures of rows with any number of classes: each is a decision by itself.

use crate::per_class::{Averages, ClassFigures};
use crate::{Calibration, ConfusionMatrix, Figures, MetricsError, brier_score, log_loss, roc_auc, wilson_95};

/// The classes with a probability of one half or more, in their order.
pub fn likely(probabilities: &[f32]) -> Vec<u32> {
    (0..).zip(probabilities).filter(|(_, probability)| **probability >= 0.5).map(|(class, _)| class).collect()
}

impl Figures {
    /// Measures rows with any number of classes each, none included. `probabilities`, where known, has one value per class
    /// and row, each by itself between 0 and 1.
    ///
    /// Log loss, Brier score and calibration are those of the decisions, of which there are rows times classes; the area
    /// under the ROC curve is the mean over classes. All as scikit-learn has it for indicator matrices, with
    /// `zero_division=0`.
    ///
    /// # Errors
    /// When the lists do not fit together, a row has a class twice, or something in them is no class or no probability.
    pub fn of_label_sets<T: AsRef<[u32]>, P: AsRef<[u32]>, R: AsRef<[f32]>>(
        truth: &[T],
        predicted: &[P],
        probabilities: Option<&[R]>,
        classes: usize,
    ) -> Result<Self, MetricsError> {
        if truth.len() != predicted.len() {
            return Err(MetricsError::Lengths { what: "predictions", expected: truth.len(), found: predicted.len() });
        }
        if classes < 2 {
            return Err(MetricsError::Classes(classes));
        }
        let (truth, predicted) = (Flags::new(truth, classes)?, Flags::new(predicted, classes)?);
        let matrices = (0..classes).map(|class| ConfusionMatrix::new(&truth.of(class), &predicted.of(class), 2));
        let matrices = matrices.collect::<Result<Vec<_>, _>>()?;
        let figures: Vec<ClassFigures> = matrices.iter().map(|matrix| matrix.class_figures(1)).collect();
        let averages = Averages::of(&figures, matrices.iter().map(|matrix| matrix.count(1, 1)).sum());
        let rows = truth.rows();
        let right = (0..rows).filter(|&row| truth.row(row) == predicted.row(row)).count() as u64;
        let wrong = truth.flags.iter().zip(&predicted.flags).filter(|(a, b)| a != b).count();
        let mut figures = Self {
            rows: rows as u64,
            accuracy: right as f64 / rows as f64,
            accuracy_interval_95: wilson_95(right, rows as u64),
            macro_f1: averages.macro_.f1,
            hamming_loss: Some(wrong as f64 / truth.flags.len() as f64),
            matthews_correlation: None,
            log_loss: None,
            brier_score: None,
            roc_auc: None,
            averages,
            classes: figures,
            confusion: None,
            calibration: None,
        };
        if let Some(probabilities) = probabilities {
            let decisions = decisions(probabilities, rows, classes)?;
            figures.log_loss = Some(log_loss(&truth.flags, &decisions, 2)?);
            figures.brier_score = Some(brier_score(&truth.flags, &decisions, 2)?);
            figures.calibration = Some(Calibration::new(&truth.flags, &decisions, 2)?);
            let areas: Option<Vec<f64>> = (0..classes)
                .map(|class| {
                    let positive: Vec<bool> = truth.of(class).iter().map(|&flag| flag == 1).collect();
                    let scores: Vec<f32> = probabilities.iter().map(|row| row.as_ref()[class]).collect();
                    roc_auc(&positive, &scores)
                })
                .collect();
            figures.roc_auc = areas.map(|areas| areas.iter().sum::<f64>() / classes as f64);
        }
        Ok(figures)
    }
}

/// Every decision as a distribution over "no" and "yes".
fn decisions<R: AsRef<[f32]>>(rows: &[R], expected: usize, classes: usize) -> Result<Vec<[f32; 2]>, MetricsError> {
    if rows.len() != expected {
        return Err(MetricsError::Lengths { what: "rows of probabilities", expected, found: rows.len() });
    }
    let mut decisions = Vec::with_capacity(expected * classes);
    for (row, values) in rows.iter().map(AsRef::as_ref).enumerate() {
        if values.len() != classes {
            let problem = format!("{} probabilities for {classes} classes", values.len());
            return Err(MetricsError::Probabilities { row, problem });
        }
        if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(MetricsError::Probabilities { row, problem: format!("{value} is not a probability") });
        }
        decisions.extend(values.iter().map(|&yes| [1.0 - yes, yes]));
    }
    Ok(decisions)
}

/// 1 where a row has a class, else 0; row after row.
struct Flags {
    flags: Vec<u32>,
    classes: usize,
}

impl Flags {
    fn new<T: AsRef<[u32]>>(rows: &[T], classes: usize) -> Result<Self, MetricsError> {
        if rows.is_empty() {
            return Err(MetricsError::NoRows);
        }
        let mut flags = vec![0; rows.len() * classes];
        for (row, set) in rows.iter().enumerate() {
            for &index in set.as_ref() {
                if index as usize >= classes {
                    return Err(MetricsError::Class { row, index, classes });
                }
                if std::mem::replace(&mut flags[row * classes + index as usize], 1) == 1 {
                    return Err(MetricsError::Twice { row, index });
                }
            }
        }
        Ok(Self { flags, classes })
    }

    fn rows(&self) -> usize {
        self.flags.len() / self.classes
    }

    fn row(&self, row: usize) -> &[u32] {
        &self.flags[row * self.classes..][..self.classes]
    }

    fn of(&self, class: usize) -> Vec<u32> {
        self.flags.iter().skip(class).step_by(self.classes).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Measure;

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
            close(average.precision, precision);
            close(average.recall, recall);
            close(average.f1, f1);
        }
        let expected: [(f64, f64, f64, u64); 4] = [
            (0.666666667, 0.666666667, 0.666666667, 3),
            (0.666666667, 0.666666667, 0.666666667, 3),
            (0.750000000, 1.000000000, 0.857142857, 3),
            (0.000000000, 0.000000000, 0.000000000, 0),
        ];
        for (class, (precision, recall, f1, support)) in found.classes.iter().zip(expected) {
            close(class.precision, precision);
            close(class.recall, recall);
            close(class.f1, f1);
            assert_eq!(class.support, support);
        }
        assert_eq!(found.classes[3].undefined, [Measure::Recall]);
        // No row has class 3.
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
    fn rows_without_any_class_are_measured_too() {
        let none: [[u32; 0]; 2] = [[], []];
        let found = Figures::of_label_sets::<_, _, [f32; 2]>(&none, &none, None, 2).unwrap();
        assert_eq!((found.accuracy, found.hamming_loss, found.averages.micro.f1), (1.0, Some(0.0), 0.0));
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
