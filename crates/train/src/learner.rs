//! One step: forward, loss, backward, clipping, update.

use burn::tensor::Device;
use firebrand_kernels::Precision;
use firebrand_model::{Batch, Classifier, DropoutRng, Tokens};
use firebrand_pipeline::{Error, Result, ResultExt};

use crate::objective::Targets;
use crate::{AdamW, Gradients, Lora, Objective};

/// A classifier with what moves it.
#[derive(Debug)]
pub struct Learner {
    /// What is trained; its device records gradients.
    pub classifier: Classifier,
    pub(crate) optimizer: AdamW,
    pub(crate) lora: Option<Lora>,
    device: Device,
    dropout: DropoutRng,
    /// 0: no clipping.
    max_grad_norm: f64,
    objective: Objective,
    precision: Precision,
}

/// Rows that pass the network together.
#[derive(Debug, Clone)]
pub struct MicroBatch<'a> {
    /// The tokens of each row.
    pub rows: Vec<Tokens<'a>>,
    /// The labels of each row: one, where the classifier gives one; any number, where it gives several.
    pub labels: Vec<&'a [u32]>,
    /// What each row weighs; empty where all weigh the same.
    pub weights: Vec<f32>,
}

/// What a step found on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Mean loss over the step's rows before the update, in nats.
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f64,
}

impl Learner {
    /// Trains with dropout drawn from `seed`, and gradients clipped to the norm `max_grad_norm` (0: not clipped).
    pub fn new(classifier: Classifier, optimizer: AdamW, max_grad_norm: f64, seed: u64) -> Self {
        let device = classifier.device();
        let dropout = DropoutRng::new(seed);
        let (objective, precision) = (Objective::default(), Precision::default());
        Self { classifier, optimizer, lora: None, device, dropout, max_grad_norm, objective, precision }
    }

    /// Multiplies in another precision than single. (Parameters and all sums stay single.)
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Makes another loss small than the plain one.
    #[must_use]
    pub fn with_objective(self, objective: Objective) -> Self {
        Self { objective, ..self }
    }

    /// Moves some weights by low-rank updates, of which these are the beginning.
    #[must_use]
    pub fn with_lora(self, lora: Option<Lora>) -> Self {
        Self { lora, ..self }
    }

    /// Takes a step, counted from 0, over rows that pass the network together. `labels` has those of each row: one, where the
    /// classifier gives one; any number, where it gives several. By value, so that each parameter has one owner and is
    /// changed in place.
    ///
    /// # Errors
    /// As those of [`step_over`](Self::step_over).
    pub fn step(
        self,
        step: u64,
        rows: &[Tokens<'_>],
        labels: &[impl AsRef<[u32]>],
        learning_rate: f64,
    ) -> Result<(Self, StepFigures)> {
        let labels = labels.iter().map(AsRef::as_ref).collect();
        self.step_over(step, &[MicroBatch { rows: rows.to_vec(), labels, weights: Vec::new() }], learning_rate)
    }

    /// Takes a step over the rows of several batches, one after the other: one update, by the gradient of the mean over all of
    /// their rows, as if they had passed together.
    ///
    /// # Errors
    /// When the rows cannot be batched, their labels are not such, or the loss or a gradient is not finite: the parameters are
    /// then lost, as one more update would have lost them.
    pub fn step_over(
        mut self,
        step: u64,
        batches: &[MicroBatch<'_>],
        learning_rate: f64,
    ) -> Result<(Self, StepFigures)> {
        // Masks are counted on over the batches, so that no two of them share any.
        self.dropout.begin_step(step);
        let targets: Vec<Targets> = batches
            .iter()
            .map(|batch| self.objective.targets(&batch.labels, &batch.weights, &self.classifier, &self.device))
            .collect::<Result<_>>()?;
        let mass: f64 = targets.iter().map(Targets::mass).sum();
        let mut value = 0.0;
        let mut sum: Option<Gradients> = None;
        for (batch, targets) in batches.iter().zip(&targets) {
            // What the batch has in the step's mean.
            let share = if batches.len() == 1 || mass == 0.0 { 1.0 } else { targets.mass() / mass };
            let gradients = self.backward(step, batch, targets, share, &mut value)?;
            sum = Some(match sum {
                Some(sum) => sum.plus(gradients),
                None => gradients,
            });
        }
        let Some(gradients) = sum else { return Err(Error::other("a step needs at least one batch")) };
        // Where a weight is moved by a low-rank update, its gradient becomes that of the update.
        let gradients = match &self.lora {
            Some(lora) => lora.project(gradients),
            None => gradients,
        };
        let grad_norm = gradients.norm();
        if !grad_norm.is_finite() {
            return Err(Error::other(format!("the norm of the gradients is {grad_norm}")));
        }
        let gradients = if self.max_grad_norm > 0.0 { gradients.clipped(self.max_grad_norm) } else { gradients };
        let (optimizer, lora) = (&mut self.optimizer, &mut self.lora);
        self.classifier = self.classifier.map_network(|network| match lora {
            Some(lora) => lora.step(optimizer, network, gradients, learning_rate),
            None => optimizer.step(network, gradients, learning_rate),
        });
        Ok((self, StepFigures { loss: value, grad_norm }))
    }

    /// The gradients of a batch's share in the step's mean loss, which is added to `value`.
    fn backward(
        &mut self,
        step: u64,
        batch: &MicroBatch<'_>,
        targets: &Targets,
        share: f64,
        value: &mut f64,
    ) -> Result<Gradients> {
        let batch = Batch::new(&batch.rows, self.classifier.pad_token_id(), &self.device)
            .or_data(|| format!("cannot make the batch of step {}", step + 1))?;
        let network = &self.classifier.network;
        let dropout = &mut self.dropout;
        let mut logits = || self.precision.within(|| network.forward(&batch, Some(dropout)));
        let loss = if self.objective.r_drop > 0.0 {
            let (logits, again) = (logits(), logits());
            self.objective.loss_of_two(logits, again, targets)
        } else {
            self.objective.loss(logits(), targets)
        };
        let loss = if share == 1.0 { loss } else { loss.mul_scalar(share) };
        let found = loss.clone().into_data().iter::<f64>().sum::<f64>();
        if !found.is_finite() {
            return Err(Error::other(format!("the loss is {found}")));
        }
        *value += found;
        Ok(Gradients::of(network, loss.backward()))
    }
}
