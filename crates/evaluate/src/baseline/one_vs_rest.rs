//! One binary regression per label: for multi-label data, and for so many labels that the weights of one multinomial
//! regression would not fit into memory. The labels are fitted in parallel.

use rayon::prelude::*;

use super::logistic::{Logistic, Targets};
use super::sparse::SparseRows;
use crate::rows::Rows;

/// The terms that the regression of a label uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terms {
    /// All terms, as in scikit-learn's `OneVsRestClassifier`.
    All,
    /// Terms that occur in rows with the label. All evidence for a label is among them; other terms could only lower a score
    /// that is already low. This keeps weights sparse, as in extreme classification (Babbar and Schölkopf 2017, *DiSMEC*,
    /// which sets weights near zero to zero). Rows without the label are sampled.
    OfLabel,
}

/// Number of rows without the label that are sampled for each row with it, and the minimum in total.
const NEGATIVES_PER_POSITIVE: usize = 20;
const MIN_NEGATIVES: usize = 5000;

/// A fitted regression per label.
#[derive(Debug, Clone)]
pub(crate) struct OneVsRest {
    intercepts: Vec<f64>,
    /// Rows are terms, columns labels.
    weights: SparseRows,
}

impl OneVsRest {
    /// Fits `labels` regressions; `c` as in [`Logistic::fit`]. `progress` is called after every label.
    ///
    /// # Errors
    /// When the optimiser fails, which does not happen for finite rows.
    pub(crate) fn fit(
        matrix: &SparseRows,
        rows: &Rows,
        labels: usize,
        terms: Terms,
        c: f64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Self, argmin::core::Error> {
        let fitted: Vec<Fitted> = (0..labels as u32)
            .into_par_iter()
            .map(|label| {
                let fitted = Fitted::new(matrix, rows, label, terms, c);
                progress(1);
                fitted
            })
            .collect::<Result<_, _>>()?;
        let mut by_term: Vec<Vec<(u32, f32)>> = vec![Vec::new(); matrix.columns()];
        for (label, fitted) in (0..).zip(&fitted) {
            for (&term, &weight) in fitted.terms.iter().zip(&fitted.weights) {
                by_term[term as usize].push((label, weight));
            }
        }
        let mut weights = SparseRows::new(labels);
        by_term.into_iter().for_each(|row| weights.push(row));
        Ok(Self { intercepts: fitted.iter().map(|fitted| fitted.intercept).collect(), weights })
    }

    /// Independent probabilities of the labels, one list per row.
    pub(crate) fn probabilities(&self, matrix: &SparseRows) -> Vec<Vec<f32>> {
        let of_row = |row: usize| {
            let mut scores = self.intercepts.clone();
            for (term, value) in matrix.row(row) {
                for (label, weight) in self.weights.row(term) {
                    scores[label] += value * weight;
                }
            }
            scores.into_iter().map(|score| (1.0 / (1.0 + (-score).exp())) as f32).collect()
        };
        (0..matrix.len()).into_par_iter().map(of_row).collect()
    }

    /// Label probabilities for single-label data: the independent probabilities, normalised to a sum of one, as
    /// scikit-learn's `OneVsRestClassifier` does.
    pub(crate) fn distributions(&self, matrix: &SparseRows) -> Vec<Vec<f32>> {
        let mut rows = self.probabilities(matrix);
        rows.par_iter_mut().for_each(|row| {
            let sum: f64 = row.iter().copied().map(f64::from).sum();
            let even = 1.0 / row.len() as f32;
            row.iter_mut().for_each(|p| *p = if sum > 0.0 { (f64::from(*p) / sum) as f32 } else { even });
        });
        rows
    }
}

/// The regression of one label.
struct Fitted {
    /// The terms that it uses, ascending.
    terms: Vec<u32>,
    weights: Vec<f32>,
    intercept: f64,
}

impl Fitted {
    fn new(matrix: &SparseRows, rows: &Rows, label: u32, terms: Terms, c: f64) -> Result<Self, argmin::core::Error> {
        let truth: Vec<u32> = rows.truth.iter().map(|labels| u32::from(labels.contains(&label))).collect();
        let (fit, terms) = match terms {
            Terms::All => {
                let targets = Targets { truth: &truth, weights: &rows.weights, classes: 2 };
                (Logistic::fit_rare(matrix, targets, c)?, (0..matrix.columns() as u32).collect())
            }
            Terms::OfLabel => {
                let Sample { rows, truth, weights } = Sample::new(&truth, &rows.weights);
                let (own, terms) = matrix.select(&rows, |place| truth[place] == 1);
                let targets = Targets { truth: &truth, weights: &weights, classes: 2 };
                (Logistic::fit_rare(&own, targets, c)?, terms)
            }
        };
        let (weights, intercept) = fit.binary();
        Ok(Self { terms, weights: weights.iter().map(|&weight| weight as f32).collect(), intercept })
    }
}

/// All rows with a label, and an evenly spaced sample of the others, weighted to stand for all of them.
#[derive(Debug, PartialEq)]
struct Sample {
    rows: Vec<usize>,
    truth: Vec<u32>,
    weights: Vec<f32>,
}

impl Sample {
    fn new(truth: &[u32], weights: &[f32]) -> Self {
        let positives = truth.iter().filter(|&&class| class == 1).count();
        let negatives = truth.len() - positives;
        let step = (negatives / (positives * NEGATIVES_PER_POSITIVE).max(MIN_NEGATIVES)).max(1);
        let mut sample = Self { rows: Vec::new(), truth: Vec::new(), weights: Vec::new() };
        let mut passed = 0_usize;
        for (row, (&class, &weight)) in truth.iter().zip(weights).enumerate() {
            if class == 0 {
                passed += 1;
                if !passed.is_multiple_of(step) {
                    continue;
                }
            }
            sample.rows.push(row);
            sample.truth.push(class);
            sample.weights.push(if class == 1 { weight } else { weight * step as f32 });
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Term `l` indicates label `l`; term `labels` is in every row.
    fn sample(labels: u32, each: u32) -> (SparseRows, Rows) {
        let mut matrix = SparseRows::new(labels as usize + 1);
        let truth = |row: u32| row % labels;
        (0..labels * each).for_each(|row| matrix.push([(truth(row), 0.8), (labels, 0.6)]));
        let rows = Rows::of((0..labels * each).map(|row| (u64::from(row), String::new(), truth(row))));
        (matrix, rows)
    }

    #[test]
    fn every_label_is_learned_from_its_term_and_weights_stay_sparse() {
        let (matrix, rows) = sample(50, 8);
        let done = AtomicU64::new(0);
        let count = |labels| {
            done.fetch_add(labels, Ordering::Relaxed);
        };
        let fit = OneVsRest::fit(&matrix, &rows, 50, Terms::OfLabel, 10.0, &count).unwrap();
        assert_eq!(done.into_inner(), 50);
        // Two of 51 terms: its own and the common one.
        assert_eq!(fit.weights.nonzero(), 100);
        for (row, shares) in fit.distributions(&matrix).iter().enumerate() {
            let label = row % 50;
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            let best = (0..50).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
            assert_eq!(best, label, "{shares:?}");
        }
    }

    #[test]
    fn a_rare_label_is_learned_as_well_as_a_frequent_one() {
        let (matrix, rows) = sample(200, 5);
        let fit = OneVsRest::fit(&matrix, &rows, 200, Terms::OfLabel, 100.0, &|_| {}).unwrap();
        let probabilities = fit.probabilities(&matrix);
        assert!(probabilities[7][7] > 0.5 && probabilities[7][8] < 0.01, "{:?}", &probabilities[7][7..9]);
    }

    #[test]
    fn a_label_without_rows_is_never_likely() {
        let (matrix, rows) = sample(3, 4);
        let fit = OneVsRest::fit(&matrix, &rows, 4, Terms::All, 1.0, &|_| {}).unwrap();
        assert!(fit.probabilities(&matrix).iter().all(|row| row[3] < 0.05));
    }

    #[test]
    fn a_sample_of_the_other_rows_weighs_as_much_as_all() {
        let truth: Vec<u32> = (0..50_000).map(|row| u32::from(row % 1000 == 0)).collect();
        let sample = Sample::new(&truth, &vec![1.0; truth.len()]);
        assert_eq!(sample.truth.iter().sum::<u32>(), 50);
        assert!((5000..7000).contains(&sample.rows.len()), "{}", sample.rows.len());
        let all: f32 = sample.weights.iter().sum();
        assert!((all / 50_000.0 - 1.0).abs() < 0.001, "{all}");
        // Few rows are not sampled.
        let few = Sample::new(&truth[..2000], &[2.0; 2000]);
        assert!(few.rows.len() == 2000 && few.weights.iter().all(|&weight| weight == 2.0));
    }
}
