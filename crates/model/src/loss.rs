//! Losses.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};

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
}
