//! The majority baseline: always the most frequent label, or set of labels.

use std::collections::BTreeMap;

use firebrand_dataset::LabelMap;
use firebrand_metrics::MetricsError;

use super::Majority;
use crate::outcome::Evaluation;
use crate::rows::Rows;

/// Finds the most frequent label set of the training rows by weight (a single label for single-label data); ties go to the
/// first. Its probabilities are the shares of the labels, so that its log loss is that of the label distribution alone.
pub(super) fn measure(train: &Rows, test: &Rows, labels: &LabelMap) -> Result<Majority, MetricsError> {
    let mut sets: BTreeMap<&[u32], f64> = BTreeMap::new();
    let mut sums = vec![0.0; labels.len()];
    for (set, &weight) in train.truth.iter().zip(&train.weights) {
        *sets.entry(set).or_default() += f64::from(weight);
        set.iter().for_each(|&label| sums[label as usize] += f64::from(weight));
    }
    let total: f64 = train.weights.iter().copied().map(f64::from).sum();
    let shares: Vec<f32> = sums.iter().map(|sum| (sum / total.max(f64::MIN_POSITIVE)) as f32).collect();
    let mut most: (&[u32], f64) = (&[], f64::NEG_INFINITY);
    for (set, weight) in sets {
        if weight > most.1 {
            most = (set, weight);
        }
    }
    let predicted = vec![most.0.to_vec(); test.len()];
    let evaluation = Evaluation::of_labels(test, predicted, &vec![shares.as_slice(); test.len()], labels)?;
    Ok(Majority { labels: most.0.to_vec(), test: evaluation, comparison: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(sets: &[&[u32]]) -> Rows {
        let mut rows = Rows::of((0..sets.len() as u64).map(|id| (id, String::new(), 0)));
        rows.truth = sets.iter().map(|set| set.to_vec()).collect();
        rows
    }

    fn labels(count: usize) -> LabelMap {
        LabelMap::new((0..count).map(|label| format!("label {label}")).collect()).unwrap()
    }

    #[test]
    fn the_most_frequent_label_and_the_log_loss_of_its_share() {
        let majority = measure(&rows(&[&[0], &[1], &[1], &[1]]), &rows(&[&[1], &[0]]), &labels(2)).unwrap();
        assert_eq!(majority.labels, [1]);
        let figures = majority.test.figures;
        assert_eq!(figures.accuracy, 0.5);
        let expected = -(0.75_f64.ln() + 0.25_f64.ln()) / 2.0;
        assert!((figures.log_loss.unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn ties_go_to_the_first() {
        let train = rows(&[&[2], &[1], &[1], &[2], &[0]]);
        assert_eq!(measure(&train, &rows(&[&[1]]), &labels(3)).unwrap().labels, [1]);
        let sets = rows(&[&[1], &[0, 1], &[0, 1], &[1], &[]]);
        let majority = measure(&sets, &rows(&[&[0, 1], &[]]), &labels(2).with_multi_label(true)).unwrap();
        assert_eq!((majority.labels, majority.test.figures.accuracy), (vec![0, 1], 0.5));
    }

    #[test]
    fn rows_are_weighted() {
        let mut train = rows(&[&[0], &[0], &[0], &[1]]);
        train.weights = vec![0.001, 0.001, 0.001, 1.0];
        assert_eq!(measure(&train, &rows(&[&[1]]), &labels(2)).unwrap().labels, [1]);
    }
}
