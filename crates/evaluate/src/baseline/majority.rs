//! The least that a classifier must beat: always the most frequent label.

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
    Ok(Majority { label, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_label_and_the_log_loss_of_its_share() {
        let majority = measure(&[0, 1, 1, 1], &[1, 0], 2).unwrap();
        assert_eq!(majority.label, 1);
        assert_eq!(majority.test.accuracy, 0.5);
        let expected = -(0.75_f64.ln() + 0.25_f64.ln()) / 2.0;
        assert!((majority.test.log_loss.unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn the_first_of_equals() {
        assert_eq!(measure(&[2, 1, 1, 2, 0], &[1], 3).unwrap().label, 1);
    }
}
