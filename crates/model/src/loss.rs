//! What training makes small.

use burn::tensor::{Int, Tensor, activation::log_softmax};

/// The mean over rows of `-ln p(label)`, in nats.
///
/// # Shapes
/// - `logits`: `[rows, labels]`
/// - `targets`: `[rows]`, each below `labels`
/// - output: `[1]`
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let [rows, _] = logits.dims();
    log_softmax(logits, 1).gather(1, targets.reshape([rows, 1])).mean().neg()
}

/// Probabilities from scores: positive, with sum 1.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|value| (value / sum) as f32).collect()
}
