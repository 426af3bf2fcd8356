//! Losses, and probabilities from logits.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};

use crate::ProblemType;

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

/// The mean over rows and labels of the binary cross-entropy of each label, in nats: torch's `BCEWithLogitsLoss`.
///
/// Computed from the logits, never from their sigmoids: `(1 - t)·x - ln σ(x)` is finite for any finite logit.
///
/// # Shapes
/// - `logits`: `[rows, labels]`
/// - `targets`: `[rows, labels]`, 1 for the row's labels, 0 for the others
/// - output: `[1]`
pub fn binary_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let absent = targets.neg().add_scalar(1.0);
    (absent * logits.clone() - log_sigmoid(logits)).mean()
}

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
    use burn::tensor::TensorData;

    use super::*;

    /// `torch.nn.BCEWithLogitsLoss()` and its gradient, torch 2.15, float64.
    #[test]
    fn the_binary_loss_equals_torchs_and_stays_finite() {
        for name in crate::CPU_DEVICES {
            let device = crate::device(name).unwrap().autodiff();
            let logits =
                Tensor::<2>::from_data(TensorData::new(vec![0.5f32, -1.5, 90.0, -90.0, 100.0, 0.0], [2, 3]), &device)
                    .require_grad();
            let targets = TensorData::new(vec![1.0f32, 0.0, 1.0, 1.0, 0.0, 0.0], [2, 3]);
            let loss = binary_cross_entropy(logits.clone(), Tensor::from_data(targets, &device));
            let value: f64 = loss.clone().into_data().iter::<f64>().sum();
            assert!((value - LOSS).abs() < 1e-5, "{name}: {value}");
            let gradient = logits.grad(&loss.backward()).unwrap().into_data();
            for (found, expected) in gradient.iter::<f64>().zip(GRADIENT) {
                assert!((found - expected).abs() < 1e-6, "{name}: {found} instead of {expected}");
            }
        }
    }

    const LOSS: f64 = 31.894772907;
    const GRADIENT: [f64; 6] = [-0.062923445, 0.030404254, 0.000000000, -0.166666667, 0.166666667, 0.083333333];

    #[test]
    fn sigmoids_are_probabilities_for_any_logit() {
        assert_eq!(sigmoid(&[0.0, 200.0, -200.0]), [0.5, 1.0, 0.0]);
        assert!((sigmoid(&[2.0])[0] - 0.880_797_1).abs() < 1e-6);
    }
}
