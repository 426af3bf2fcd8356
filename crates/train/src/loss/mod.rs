//! The training objective: cross-entropy with weights of labels and rows, focal loss, label smoothing, R-Drop.

pub(crate) mod label_weights;

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use firebrand_arch::ProblemType;
use firebrand_model::{binary_cross_entropy, cross_entropy};
use firebrand_pipeline::{Error, Result};

use crate::Rows;

/// The loss that training minimises. The default is plain mean cross-entropy, binary for multi-label classifiers. Validation
/// always measures plain cross-entropy, so that runs can be compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objective {
    /// A weight for each label, by index. With one label per row it is the weight of the row; for multi-label classifiers it is the
    /// weight of the label's presence against its absence (torch's `pos_weight`).
    pub label_weights: Option<Vec<f32>>,
    /// Exponent of the focal loss ([arXiv 1708.02002](https://arxiv.org/abs/1708.02002)); 0 turns it off.
    pub focal_gamma: f64,
    /// Label smoothing: the share of the target that is spread evenly over all labels
    /// ([arXiv 1512.00567](https://arxiv.org/abs/1512.00567)), or over presence and absence for multi-label classifiers.
    pub label_smoothing: f64,
    /// Weight of R-Drop's divergence between two passes with different dropout
    /// ([arXiv 2106.14448](https://arxiv.org/abs/2106.14448)); 0 makes one pass.
    pub r_drop: f64,
}

/// The targets of a batch.
#[derive(Debug)]
pub(crate) struct Targets {
    truth: Truth,
    /// Weight of each row in the mean loss of the step.
    masses: Vec<f32>,
    device: Device,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each step, and it is not moved about")]
enum Truth {
    /// `[rows]`: the index of each row's label, with equal weights.
    One(Tensor<1, Int>),
    /// `[rows, labels]`: target probabilities times weights.
    Shares(Tensor<2>),
    /// `[rows, labels]`: 1 for each label of a row, else 0, with equal weights.
    Several(Tensor<2>),
    /// `[rows, labels]` each: target probabilities of presence and of absence, times their weights.
    PresentAbsent(Tensor<2>, Tensor<2>),
}

impl Objective {
    fn is_plain(&self) -> bool {
        self.label_weights.is_none() && self.focal_gamma == 0.0 && self.label_smoothing == 0.0
    }

    /// The targets of a batch for a classifier with this many labels. `weights` has one for each row, or is empty if all weigh the
    /// same.
    ///
    /// # Errors
    /// When a row's labels do not fit the classifier.
    pub(crate) fn targets(
        &self,
        labels: &[impl AsRef<[u32]>],
        weights: &[f32],
        (classes, problem): (usize, ProblemType),
        device: &Device,
    ) -> Result<Targets> {
        let rows = labels.len();
        let one = problem == ProblemType::SingleLabelClassification;
        let labels: Vec<&[u32]> = labels.iter().map(AsRef::as_ref).collect();
        let fits = |row: &[u32]| (!one || row.len() == 1) && row.iter().all(|&label| (label as usize) < classes);
        if let Some(odd) = labels.iter().find(|row| !fits(row)) {
            let wanted = if one { "one label" } else { "labels" };
            return Err(Error::data(format!("a row has the labels {odd:?}: expected {wanted} below {classes}")));
        }
        let tensor = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [rows, classes]), device);
        let row_weight = |row: usize| weights.get(row).copied().unwrap_or(1.0);
        let label_weight = |label: usize| self.label_weights.as_ref().map_or(1.0, |weights| weights[label]);
        let plain = self.is_plain() && weights.iter().all(|&weight| weight == 1.0);
        let smoothing = self.label_smoothing as f32;
        let mut masses = vec![1.0; rows];
        let truth = match (one, plain) {
            (true, true) => {
                let indices: Vec<i64> =
                    labels.iter().flat_map(|row| row.iter()).map(|&label| i64::from(label)).collect();
                Truth::One(Tensor::from_data(TensorData::new(indices, [rows]), device))
            }
            (true, false) => {
                let mut shares = Vec::with_capacity(rows * classes);
                for (row, labels) in labels.iter().enumerate() {
                    masses[row] =
                        row_weight(row) * labels.iter().map(|&label| label_weight(label as usize)).sum::<f32>();
                    shares.extend((0..classes).map(|class| {
                        let there = if labels.contains(&(class as u32)) { 1.0 - smoothing } else { 0.0 };
                        row_weight(row) * label_weight(class) * (there + smoothing / classes as f32)
                    }));
                }
                Truth::Shares(tensor(shares))
            }
            (false, _) => {
                let there = |row: usize, class: usize| if labels[row].contains(&(class as u32)) { 1.0 } else { 0.0 };
                let places = || (0..rows).flat_map(|row| (0..classes).map(move |class| (row, class)));
                if plain {
                    Truth::Several(tensor(places().map(|(row, class)| there(row, class)).collect()))
                } else {
                    masses = (0..rows).map(row_weight).collect();
                    let share = |row, class| there(row, class) * (1.0 - smoothing) + smoothing / 2.0;
                    let present =
                        places().map(|(row, class)| row_weight(row) * label_weight(class) * share(row, class));
                    let absent = places().map(|(row, class)| row_weight(row) * (1.0 - share(row, class)));
                    Truth::PresentAbsent(tensor(present.collect()), tensor(absent.collect()))
                }
            }
        };
        Ok(Targets { truth, masses, device: device.clone() })
    }

    /// The mean training loss of a model that favours no label, which is about where training with a new head starts: with one
    /// label per row each has probability 1/n, with any number of labels each has one half.
    pub(crate) fn loss_of_guessing(&self, rows: &Rows, classes: usize, problem: ProblemType) -> f64 {
        let one = problem == ProblemType::SingleLabelClassification;
        let weight_of = |label: usize| self.label_weights.as_ref().map_or(1.0, |weights| f64::from(weights[label]));
        let mean_weight = (0..classes).map(weight_of).sum::<f64>() / classes as f64;
        // Sums over rows of their weight in the mean, and of their loss for each nat of a single decision.
        let (mut mass, mut nats) = (0.0, 0.0);
        for row in 0..rows.len() {
            let weight = f64::from(rows.weight(row));
            let present: f64 = rows.labels(row).iter().map(|&label| weight_of(label as usize)).sum();
            if one {
                mass += weight * present;
                nats += weight * (present * (1.0 - self.label_smoothing) + mean_weight * self.label_smoothing);
            } else {
                // A label's weight is that of its presence; absence weighs 1.
                let present = (present - rows.labels(row).len() as f64) / classes as f64;
                let smoothed =
                    present * (1.0 - self.label_smoothing) + (mean_weight - 1.0) * self.label_smoothing / 2.0;
                mass += weight;
                nats += weight * (1.0 + smoothed);
            }
        }
        let probability = if one { 1.0 / classes as f64 } else { 0.5 };
        let focal = (1.0 - probability).powf(self.focal_gamma);
        let mean = if mass > 0.0 { nats / mass } else { 1.0 };
        -probability.ln() * focal * mean
    }

    /// The mean loss over a batch, `[1]`.
    ///
    /// # Shapes
    /// - `logits`: `[rows, labels]`
    pub(crate) fn loss(&self, logits: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let [_, classes] = logits.dims();
        let focal = |loss: Tensor<2>, logarithms: Tensor<2>| {
            if self.focal_gamma == 0.0 {
                return loss;
            }
            // Bounded away from zero, where a power below 1 has an infinite gradient.
            let missing = logarithms.exp().neg().add_scalar(1.0).clamp_min(1e-6);
            loss * missing.powf_scalar(self.focal_gamma)
        };
        match &targets.truth {
            Truth::One(labels) => cross_entropy(logits, labels.clone()),
            Truth::Several(flags) => binary_cross_entropy(logits, flags.clone()),
            Truth::Shares(shares) => {
                let logarithms = log_softmax(logits, 1);
                let losses = focal(logarithms.clone() * shares.clone(), logarithms);
                losses.sum().mul_scalar(-1.0 / positive(targets.mass()))
            }
            Truth::PresentAbsent(present, absent) => {
                let (yes, no) = (log_sigmoid(logits.clone()), log_sigmoid(logits.neg()));
                let losses = focal(yes.clone() * present.clone(), yes) + focal(no.clone() * absent.clone(), no);
                losses.sum().mul_scalar(-1.0 / (positive(targets.mass()) * classes as f64))
            }
        }
    }

    /// The mean loss of two passes over one batch, plus the weighted symmetric Kullback-Leibler divergence of their predictions.
    /// `[1]`.
    pub(crate) fn loss_of_two(&self, first: Tensor<2>, second: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let losses = self.loss(first.clone(), targets) + self.loss(second.clone(), targets);
        let [rows, classes] = first.dims();
        // KL(p, q) + KL(q, p) = Σ (p - q)(ln p - ln q).
        let apart = match targets.truth {
            Truth::One(_) | Truth::Shares(_) => {
                let (p, q) = (log_softmax(first, 1), log_softmax(second, 1));
                (p.clone().exp() - q.clone().exp()) * (p - q)
            }
            // Of presence and absence: ln p - ln (1 - p) is the score itself.
            Truth::Several(_) | Truth::PresentAbsent(..) => {
                let (p, q) = (log_sigmoid(first.clone()).exp(), log_sigmoid(second.clone()).exp());
                ((p - q) * (first - second)).div_scalar(classes as f64)
            }
        };
        let shares = targets.masses.iter().map(|&mass| (f64::from(mass) / positive(targets.mass())) as f32).collect();
        let shares = Tensor::<2>::from_data(TensorData::new::<f32, _>(shares, [rows, 1]), &targets.device);
        let apart = (apart * shares).sum().mul_scalar(0.5);
        losses.mul_scalar(0.5) + apart.mul_scalar(self.r_drop)
    }
}

impl Targets {
    /// Total weight of the batch in the mean loss of the step.
    pub(crate) fn mass(&self) -> f64 {
        self.masses.iter().map(|&mass| f64::from(mass)).sum()
    }
}

/// The mass itself, or 1 instead of 0, when the loss is 0 as well.
fn positive(mass: f64) -> f64 {
    if mass > 0.0 { mass } else { 1.0 }
}

#[cfg(test)]
mod tests;
