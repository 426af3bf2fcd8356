//! One step: forward, loss, backward, clipping, update.

pub(crate) mod devices;
pub(crate) mod feed;
pub(crate) mod memory;
mod pass;

use burn::tensor::Device;
use firebrand_kernels::{Precision, within_pool};
use firebrand_model::{Classifier, DropoutRng, Tokens};
use firebrand_pipeline::Result;

use crate::learner::feed::{Feed, Prepared};
use crate::learner::memory::Failure;
use crate::learner::pass::Passes;
use crate::optimiser::gradients::on_host;
use crate::{AdamW, Lora, LossScale, Objective};

/// A classifier with everything that trains it.
#[derive(Debug)]
pub struct Learner {
    /// The classifier that is trained; its device records gradients.
    pub classifier: Classifier,
    pub(crate) optimizer: AdamW,
    pub(crate) lora: Option<Lora>,
    pub(crate) feed: Feed,
    dropout: DropoutRng,
    /// 0 does not clip.
    max_grad_norm: f64,
    pub(crate) precision: Precision,
    pub(crate) loss_scale: Option<LossScale>,
}

/// Rows that share a forward pass.
#[derive(Debug, Clone)]
pub struct MicroBatch<'a> {
    /// The tokens of each row.
    pub rows: Vec<Tokens<'a>>,
    /// The labels of each row: exactly one, or any number for a multi-label classifier.
    pub labels: Vec<&'a [u32]>,
    /// Weight of each row; empty if all weigh the same.
    pub weights: Vec<f32>,
}

/// A step that was taken, or why it failed.
type Attempt<L> = std::result::Result<(L, StepFigures), Failure>;

/// Figures of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Mean loss over the step's rows before the update, in nats.
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f64,
    /// Whether the update was skipped because the scaled loss had gradients that are not finite.
    pub skipped: bool,
}

impl Learner {
    /// Draws dropout from `seed` and clips gradients to the norm `max_grad_norm` (0 does not clip).
    pub fn new(classifier: Classifier, optimizer: AdamW, max_grad_norm: f64, seed: u64) -> Self {
        let (feed, dropout, precision) = (Feed::new(&classifier), DropoutRng::new(seed), Precision::default());
        Self { classifier, optimizer, lora: None, feed, dropout, max_grad_norm, precision, loss_scale: None }
    }

    /// Shards each batch over the classifier's device and these. The parameters stay on the first and are copied to the others in
    /// each step; there is one update, with the gradient of the mean loss over all rows.
    #[must_use]
    pub fn with_more_devices(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.feed.devices.extend(devices);
        self
    }

    /// Computes in this precision. (Parameters stay in fp32.)
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Scales the loss for the backward pass, as half precision needs it. Steps whose gradients are then not finite are skipped.
    #[must_use]
    pub fn with_loss_scale(self, loss_scale: Option<LossScale>) -> Self {
        Self { loss_scale, ..self }
    }

    /// Minimises this objective instead of plain cross-entropy.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.feed.objective = objective;
        self
    }

    /// Trains these LoRA adapters in place of the weights that they belong to.
    #[must_use]
    pub fn with_lora(self, lora: Option<Lora>) -> Self {
        Self { lora, ..self }
    }

    /// Takes a step, counted from 0, over rows that share a forward pass. `labels` has those of each row: exactly one, or any
    /// number for a multi-label classifier. The learner is passed by value, so that parameters are updated in place.
    ///
    /// # Errors
    /// Those of [`step_over`](Self::step_over).
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

    /// Takes a step over several micro-batches, one after the other: one update, with the gradient of the mean loss over all of
    /// their rows, as if they were one batch.
    ///
    /// # Errors
    /// When the rows cannot be batched, their labels do not fit the classifier, or the loss or a gradient is not finite. The
    /// parameters are then lost, as the update would have ruined them.
    pub fn step_over(self, step: u64, batches: &[MicroBatch<'_>], learning_rate: f64) -> Result<(Self, StepFigures)> {
        Ok(self.try_step_over(step, batches, learning_rate)?)
    }

    /// [`step_over`](Self::step_over) that tells a training that broke down from a device that failed.
    pub(crate) fn try_step_over(self, step: u64, batches: &[MicroBatch<'_>], learning_rate: f64) -> Attempt<Self> {
        let prepared = self.feed.prepare(step, batches)?;
        self.take(step, prepared, |feed| feed.prepare(step, batches), learning_rate)
    }

    /// Takes a step over prepared rows. `again` prepares them once more when a batch does not fit into a device's memory: batches
    /// are then halved from there on, which leaves the step the same but for dropout.
    ///
    /// # Errors
    /// Those of [`step_over`](Self::step_over).
    pub(crate) fn take(
        self,
        step: u64,
        prepared: Prepared,
        again: impl Fn(&Feed) -> Result<Prepared> + Send,
        learning_rate: f64,
    ) -> Attempt<Self> {
        if self.feed.devices.len() == 1 && on_host(&self.classifier.device()) {
            within_pool(|| self.take_here(step, prepared, again, learning_rate))
        } else {
            self.take_here(step, prepared, again, learning_rate)
        }
    }

    fn take_here(
        mut self,
        step: u64,
        mut prepared: Prepared,
        again: impl Fn(&Feed) -> Result<Prepared>,
        learning_rate: f64,
    ) -> Attempt<Self> {
        self.dropout.begin_step(step);
        // Prepared ahead, before batches were halved.
        if prepared.halvings != self.feed.halvings() {
            prepared = again(&self.feed)?;
        }
        let loss_scale = self.loss_scale.map_or(1.0, |loss_scale| loss_scale.scale);
        let (loss, gradients) = loop {
            let passes = Passes {
                objective: &self.feed.objective,
                precision: self.precision,
                dropout: &self.dropout,
                loss_scale,
            };
            let largest = prepared.largest();
            match passes.all(&self.classifier.network, &self.feed, prepared) {
                Ok(found) => break found,
                Err(Failure::Memory) if largest > 1 => {
                    self.feed.devices.iter().for_each(|device| device.clone().inner().memory_cleanup());
                    self.feed.set_halvings(self.feed.halvings() + 1);
                    prepared = again(&self.feed)?;
                }
                Err(failure) => return Err(failure),
            }
        };
        // Gradients of merged weights become those of their adapters.
        let gradients = match &self.lora {
            Some(lora) => lora.project(gradients),
            None => gradients,
        };
        let gradients = if loss_scale == 1.0 { gradients } else { gradients.unscaled(loss_scale) };
        let grad_norm = gradients.norm();
        if let Some(loss_scale) = &mut self.loss_scale {
            loss_scale.add(grad_norm.is_finite()).map_err(Failure::NotFinite)?;
            if !grad_norm.is_finite() {
                return Ok((self, StepFigures { loss, grad_norm, skipped: true }));
            }
        }
        if !grad_norm.is_finite() {
            return Err(Failure::NotFinite(format!("the norm of the gradients is {grad_norm}")));
        }
        let gradients = if self.max_grad_norm > 0.0 { gradients.clipped(self.max_grad_norm) } else { gradients };
        let (optimizer, lora) = (&mut self.optimizer, &mut self.lora);
        self.classifier = self.classifier.map_network(|network| match lora {
            Some(lora) => lora.step(optimizer, network, gradients, learning_rate),
            None => optimizer.step(network, gradients, learning_rate),
        });
        Ok((self, StepFigures { loss, grad_norm, skipped: false }))
    }
}
