//! The loss of training, and what bends it: weights of labels and rows, focal loss, label smoothing, R-Drop.

pub(crate) mod label_weights;

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use firebrand_model::{ProblemType, binary_cross_entropy, cross_entropy};
use firebrand_pipeline::{Error, Result};

/// The loss that training makes small. The default is the plain mean cross-entropy, or the binary one where rows may have
/// several labels. Validation always measures the plain one, so that runs can be compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objective {
    /// A weight for each label, by index. Where rows have one label each, a row weighs as its label does; where they may have
    /// several, the weight is that of the label's presence against its absence (torch's `pos_weight`).
    pub label_weights: Option<Vec<f32>>,
    /// Exponent of the focal loss ([arXiv 1708.02002](https://arxiv.org/abs/1708.02002)); 0: none.
    pub focal_gamma: f64,
    /// Share of the truth that is spread evenly over all labels ([arXiv 1512.00567](https://arxiv.org/abs/1512.00567)), with
    /// several labels per row over presence and absence.
    pub label_smoothing: f64,
    /// Weight of the distance between two passes with different dropout
    /// ([arXiv 2106.14448](https://arxiv.org/abs/2106.14448)); 0: one pass.
    pub r_drop: f64,
}

/// What the scores of a batch are held against.
#[derive(Debug)]
pub(crate) struct Targets {
    truth: Truth,
    /// What each row weighs in the step's mean.
    masses: Vec<f32>,
    device: Device,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each step, and it is not moved about")]
enum Truth {
    /// `[rows]`: the index of each row's label, all rows weighing the same.
    One(Tensor<1, Int>),
    /// `[rows, labels]`: the share of each label in a row's truth, times its weight.
    Shares(Tensor<2>),
    /// `[rows, labels]`: 1 for each label of a row, else 0, all rows weighing the same.
    Several(Tensor<2>),
    /// `[rows, labels]` each: the share of presence, and that of absence, times their weights.
    PresentAbsent(Tensor<2>, Tensor<2>),
}

impl Objective {
    fn is_plain(&self) -> bool {
        self.label_weights.is_none() && self.focal_gamma == 0.0 && self.label_smoothing == 0.0
    }

    /// The targets of a batch. `weights` has one for each row, or none where all rows weigh the same; a classifier's answers are
    /// so many labels, with this meaning.
    ///
    /// # Errors
    /// When a row's labels are not such as the classifier gives.
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
            // Kept off zero, where the gradient of a power below 1 has no end.
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

    /// The mean of the losses of two passes over one batch, and their distance: the symmetric Kullback-Leibler divergence of
    /// the answers, weighted. `[1]`.
    pub(crate) fn loss_of_two(&self, first: Tensor<2>, second: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let losses = self.loss(first.clone(), targets) + self.loss(second.clone(), targets);
        let [rows, classes] = first.dims();
        // KL(p, q) + KL(q, p) = Σ (p - q)(ln p - ln q).
        let apart = match targets.truth {
            Truth::One(_) | Truth::Shares(_) => {
                let (p, q) = (log_softmax(first, 1), log_softmax(second, 1));
                (p.clone().exp() - q.clone().exp()) * (p - q)
            }
            // Of presence and absence: the logarithms' differences differ by that of the scores.
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
    /// What the batch weighs in the step's mean.
    pub(crate) fn mass(&self) -> f64 {
        self.masses.iter().map(|&mass| f64::from(mass)).sum()
    }
}

/// The mass itself; 1 for one of zero, whose loss is zero too.
fn positive(mass: f64) -> f64 {
    if mass > 0.0 { mass } else { 1.0 }
}

#[cfg(test)]
mod tests;
