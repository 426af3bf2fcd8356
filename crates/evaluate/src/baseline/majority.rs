//! The least that a classifier must beat: always the most frequent label, or set of labels.

use std::collections::BTreeMap;

use firebrand_metrics::{Figures, MetricsError};

use super::Majority;

/// Counts the training labels and measures what always answering the most frequent one gives; of equals, the first. Its
/// probabilities are the labels' shares, so that its log loss is that of knowing nothing but them.
pub(super) fn measure(train: &[u32], test: &[u32], classes: usize) -> Result<Majority, MetricsError> {
    let mut counts = vec![0_usize; classes];
    for (row, &index) in train.iter().enumerate() {
        *counts.get_mut(index as usize).ok_or(MetricsError::Class { row, index, classes })? += 1;
    }
    let shares: Vec<f32> = counts.iter().map(|&count| count as f32 / train.len().max(1) as f32).collect();
    let most = counts.iter().copied().max().unwrap_or_default();
    let label = (0..).zip(&counts).find(|(_, count)| **count == most).map_or(0, |(label, _)| label);
    let test = Figures::new(test, &vec![label; test.len()], Some(&vec![shares; test.len()]), classes)?;
    Ok(Majority { labels: vec![label], test })
}

/// The same for rows with any number of labels: the most frequent set of them, of equals the first.
pub(super) fn measure_sets(train: &[Vec<u32>], test: &[Vec<u32>], classes: usize) -> Result<Majority, MetricsError> {
    let mut sets: BTreeMap<&[u32], usize> = BTreeMap::new();
    let mut counts = vec![0_usize; classes];
    for (row, set) in train.iter().enumerate() {
        *sets.entry(set).or_default() += 1;
        for &index in set {
            *counts.get_mut(index as usize).ok_or(MetricsError::Class { row, index, classes })? += 1;
        }
    }
    let shares: Vec<f32> = counts.iter().map(|&count| count as f32 / train.len().max(1) as f32).collect();
    let most = sets.values().copied().max();
    let set = sets.into_iter().find(|(_, rows)| Some(*rows) == most).map_or(Vec::new(), |(set, _)| set.to_vec());
    let test = Figures::of_label_sets(test, &vec![&set; test.len()], Some(&vec![shares; test.len()]), classes)?;
    Ok(Majority { labels: set, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_label_and_the_log_loss_of_its_share() {
        let majority = measure(&[0, 1, 1, 1], &[1, 0], 2).unwrap();
        assert_eq!(majority.labels, [1]);
        assert_eq!(majority.test.accuracy, 0.5);
        let expected = -(0.75_f64.ln() + 0.25_f64.ln()) / 2.0;
        assert!((majority.test.log_loss.unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn the_first_of_equals() {
        assert_eq!(measure(&[2, 1, 1, 2, 0], &[1], 3).unwrap().labels, [1]);
        let sets = [vec![1], vec![0, 1], vec![0, 1], vec![1], vec![]];
        let majority = measure_sets(&sets, &[vec![0, 1], vec![]], 2).unwrap();
        assert_eq!((majority.labels, majority.test.accuracy), (vec![0, 1], 0.5));
    }
}
