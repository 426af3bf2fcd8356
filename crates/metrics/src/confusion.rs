//! The confusion matrix, and the figures of the whole of it.

use serde::Serialize;

use crate::MetricsError;

/// How often each true class was taken for each class: row `t`, column `p` counts rows of class `t` predicted as `p`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// Counts single-label predictions.
    ///
    /// # Errors
    /// When there are no rows, fewer than two classes, lists of unequal length, or an index of `classes` or more.
    pub fn new(truth: &[u32], predicted: &[u32], classes: usize) -> Result<Self, MetricsError> {
        if classes < 2 {
            return Err(MetricsError::Classes(classes));
        }
        if truth.is_empty() {
            return Err(MetricsError::NoRows);
        }
        if truth.len() != predicted.len() {
            return Err(MetricsError::Lengths { what: "predictions", expected: truth.len(), found: predicted.len() });
        }
        let mut counts = vec![vec![0; classes]; classes];
        for (row, (&truth, &predicted)) in truth.iter().zip(predicted).enumerate() {
            let beyond = [truth, predicted].into_iter().find(|&index| index as usize >= classes);
            if let Some(index) = beyond {
                return Err(MetricsError::Class { row, index, classes });
            }
            counts[truth as usize][predicted as usize] += 1;
        }
        Ok(Self { counts })
    }

    /// Number of classes: rows, and columns.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Rows of `truth` that were predicted as `predicted`.
    ///
    /// # Panics
    /// When an index is not below [`classes`](Self::classes).
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth][predicted]
    }

    /// One list per true class, by predicted class.
    pub fn rows(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// Rows that are of this class.
    ///
    /// # Panics
    /// When the index is not below [`classes`](Self::classes).
    pub fn support(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// Rows that were predicted as this class.
    ///
    /// # Panics
    /// When the index is not below [`classes`](Self::classes).
    pub fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Rows whose prediction is right: the diagonal.
    pub fn correct(&self) -> u64 {
        self.counts.iter().enumerate().map(|(class, row)| row[class]).sum()
    }

    /// Share of rows whose prediction is right.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.total() as f64
    }

    /// Matthews correlation for any number of classes (Gorodkin 2004, *Comparing two K-category assignments by a
    /// K-category correlation coefficient*, eq. 8): 1 for perfect, 0 for no better than chance, down to -1.
    ///
    /// With `c` correct of `s` rows, `t_k` rows of class `k` and `p_k` predicted as `k`:
    /// `(c·s − Σ t_k·p_k) / √((s² − Σ p_k²)·(s² − Σ t_k²))`. `None` where the denominator is 0: only one class in the truth
    /// or in the predictions (scikit-learn says 0).
    pub fn matthews_correlation(&self) -> Option<f64> {
        let classes = 0..self.classes();
        let truth: Vec<f64> = classes.clone().map(|class| self.support(class) as f64).collect();
        let predicted: Vec<f64> = classes.map(|class| self.predicted(class) as f64).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (total, correct) = (self.total() as f64, self.correct() as f64);
        let spread = (total * total - dot(&predicted, &predicted)) * (total * total - dot(&truth, &truth));
        (spread > 0.0).then(|| (correct * total - dot(&truth, &predicted)) / spread.sqrt())
    }

    /// Pairs of a true class and another that it was predicted as, the most frequent first; of equals, the earlier classes.
    pub fn confused_pairs(&self) -> Vec<ConfusedPair> {
        let cells = self.counts.iter().enumerate().flat_map(|(truth, row)| {
            let cell = move |(predicted, &rows)| ConfusedPair { truth, predicted, rows };
            row.iter().enumerate().map(cell)
        });
        let mut pairs: Vec<ConfusedPair> = cells.filter(|pair| pair.truth != pair.predicted && pair.rows > 0).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.rows));
        pairs
    }
}

/// Rows of one class that were predicted as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConfusedPair {
    /// The true class.
    pub truth: usize,
    /// The class that was predicted instead.
    pub predicted: usize,
    /// How many rows.
    pub rows: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PREDICTED, TRUTH, assert_close};

    #[test]
    fn counts_by_truth_and_prediction() {
        let matrix = ConfusionMatrix::new(&TRUTH, &PREDICTED, CLASSES).unwrap();
        assert_eq!(matrix.rows(), [[3, 1, 0], [0, 3, 1], [1, 0, 1]]);
        assert_eq!((matrix.total(), matrix.correct()), (10, 7));
        assert_eq!((matrix.support(0), matrix.predicted(0)), (4, 4));
        assert_eq!(matrix.count(1, 2), 1);
        assert_close(matrix.accuracy(), 0.7);
    }

    #[test]
    fn matthews_correlation_is_that_of_scikit_learn() {
        let matrix = ConfusionMatrix::new(&TRUTH, &PREDICTED, CLASSES).unwrap();
        assert_close(matrix.matthews_correlation().unwrap(), 0.53125);
        let perfect = ConfusionMatrix::new(&TRUTH, &TRUTH, CLASSES).unwrap();
        assert_close(perfect.matthews_correlation().unwrap(), 1.0);
        let opposite = ConfusionMatrix::new(&[0, 1, 0, 1], &[1, 0, 1, 0], 2).unwrap();
        assert_close(opposite.matthews_correlation().unwrap(), -1.0);
        let constant = ConfusionMatrix::new(&[0, 1, 0, 1], &[1, 1, 1, 1], 2).unwrap();
        assert_eq!(constant.matthews_correlation(), None);
    }

    #[test]
    fn confused_pairs_come_most_frequent_first() {
        let matrix = ConfusionMatrix::new(&[0, 0, 1, 2, 2, 2], &[0, 1, 0, 0, 0, 2], 3).unwrap();
        let pair = |truth, predicted, rows| ConfusedPair { truth, predicted, rows };
        assert_eq!(matrix.confused_pairs(), [pair(2, 0, 2), pair(0, 1, 1), pair(1, 0, 1)]);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert_eq!(ConfusionMatrix::new(&[], &[], 2), Err(MetricsError::NoRows));
        assert_eq!(ConfusionMatrix::new(&[0], &[0], 1), Err(MetricsError::Classes(1)));
        assert_eq!(
            ConfusionMatrix::new(&[0, 1], &[0, 2], 2),
            Err(MetricsError::Class { row: 1, index: 2, classes: 2 })
        );
        assert_eq!(ConfusionMatrix::new(&[0, 1], &[0], 2).unwrap_err().to_string(), "2 rows, but 1 predictions");
    }
}
