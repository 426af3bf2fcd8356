//! Probabilities from logits.

use crate::ProblemType;

/// Softmax probabilities.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|value| (value / sum) as f32).collect()
}

/// The sigmoid of every logit.
pub fn sigmoid(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|&logit| (1.0 / (1.0 + f64::from(-logit).exp())) as f32).collect()
}

impl ProblemType {
    /// The labels' probabilities by their logits: a softmax over all, or a sigmoid of each.
    pub fn probabilities(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::SingleLabelClassification => softmax(logits),
            Self::MultiLabelClassification => sigmoid(logits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoids_are_probabilities_for_any_logit() {
        assert_eq!(sigmoid(&[0.0, 200.0, -200.0]), [0.5, 1.0, 0.0]);
        assert!((sigmoid(&[2.0])[0] - 0.880_797_1).abs() < 1e-6);
    }
}
