//! `reference.json`: statistics of inputs and predictions at training time, to measure drift against.
//!
//! Taken from the validation split: held out, but from the same source as the training rows.

use firebrand_dataset::{LabelMap, TokenRow};
use serde::Serialize;

use crate::outcome::Outcome;
use crate::rows::Rows;

/// Levels of the quantiles.
const LEVELS: [f64; 11] = [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];
/// Equal-width bins of the confidence histogram.
const BINS: usize = 20;

/// The content of `reference.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Reference {
    /// Format version: 1.
    version: u32,
    /// The split that it describes.
    part: &'static str,
    rows: usize,
    labels: Vec<String>,
    /// Hash of the label map; a bundle with another hash has other labels.
    labels_hash: String,
    /// Share of rows predicted as each label, by index. Multi-label shares need not sum to 1.
    predicted_shares: Vec<f64>,
    confidence: Confidence,
    /// Lengths of the cleaned texts, in characters.
    characters: Quantiles,
    /// Lengths in tokens, special tokens included, after truncation.
    tokens: Quantiles,
    /// Share of truncated rows.
    cut_share: f64,
}

/// Confidence of the predictions; for multi-label rows, of the least confident decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Confidence {
    mean: f64,
    /// Rows per bin; bin `i` of `n` holds `(i / n, (i + 1) / n]`.
    histogram: Vec<u64>,
}

/// Quantiles by nearest rank, so that each is a value that occurred.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Quantiles {
    mean: f64,
    at: Vec<f64>,
    values: Vec<u64>,
}

impl Reference {
    /// Computes the statistics of a split with at least one row, and of its predictions.
    pub(crate) fn new(labels: &LabelMap, rows: &Rows, tokens: &[TokenRow], outcome: &Outcome) -> Self {
        let count = rows.len() as f64;
        let mut predicted = vec![0_u64; labels.len()];
        for &label in outcome.evaluation.predicted.iter().flatten() {
            predicted[label as usize] += 1;
        }
        Self {
            version: 1,
            part: "validation",
            rows: rows.len(),
            labels: labels.names().to_vec(),
            labels_hash: labels.hash(),
            predicted_shares: predicted.into_iter().map(|rows| rows as f64 / count).collect(),
            confidence: Confidence::new((0..rows.len()).map(|row| f64::from(outcome.confidence(row)))),
            characters: Quantiles::new(rows.texts().iter().map(|text| text.chars().count() as u64).collect()),
            tokens: Quantiles::new(tokens.iter().map(|row| row.ids.len() as u64).collect()),
            cut_share: tokens.iter().filter(|row| row.cut > 0).count() as f64 / count,
        }
    }
}

impl Confidence {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let (mut sum, mut rows, mut histogram) = (0.0, 0.0, vec![0; BINS]);
        for value in values {
            histogram[((value * BINS as f64).ceil() as usize).clamp(1, BINS) - 1] += 1;
            sum += value;
            rows += 1.0;
        }
        Self { mean: if rows > 0.0 { sum / rows } else { 0.0 }, histogram }
    }
}

impl Quantiles {
    fn new(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let rank = |share: f64| ((share * values.len() as f64).ceil() as usize).clamp(1, values.len().max(1)) - 1;
        Self {
            mean: values.iter().sum::<u64>() as f64 / values.len().max(1) as f64,
            at: LEVELS.to_vec(),
            values: LEVELS.iter().filter_map(|&share| values.get(rank(share)).copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let quantiles = Quantiles::new((1..=100).rev().collect());
        assert_eq!(quantiles.values, [1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100]);
        assert_eq!(quantiles.mean, 50.5);
        assert_eq!(Quantiles::new(vec![7]).values, [7; 11]);
    }

    #[test]
    fn the_ends_of_the_confidence_fall_into_the_outer_bins() {
        let confidence = Confidence::new([0.0, 1.0, 0.5, 0.96].into_iter());
        assert_eq!((confidence.histogram[0], confidence.histogram[9], confidence.histogram[19]), (1, 1, 2));
        assert!((confidence.mean - 0.615).abs() < 1e-12);
    }

    #[test]
    fn shares_are_those_of_the_predictions() {
        let rows = Rows::of([(0, "ab".to_owned(), 0), (1, "abcd".to_owned(), 1)]);
        let labels = LabelMap::new(vec!["no".to_owned(), "yes".to_owned()]).unwrap();
        let outcome = Outcome::new(&rows, vec![vec![0.25, 0.75], vec![0.5, 0.5]], &labels).unwrap();
        let token = |cut| TokenRow { id: 0, ids: vec![1; 3], type_ids: vec![0; 3], labels: vec![0], weight: 1.0, cut };
        let reference = Reference::new(&labels, &rows, &[token(0), token(2)], &outcome);
        assert_eq!(reference.predicted_shares, [0.5, 0.5]);
        assert_eq!(reference.characters.mean, 3.0);
        assert_eq!((reference.tokens.values[5], reference.cut_share), (3, 0.5));
        assert_eq!(reference.confidence.mean, 0.625);
    }
}
