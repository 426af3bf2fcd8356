//! One step: forward, loss, backward, clipping, update.

pub(crate) mod devices;
pub(crate) mod feed;
pub(crate) mod memory;
mod pass;

use burn::tensor::Device;
use firebrand_kernels::{Precision, within_pool};
use firebrand_model::{Classifier, DropoutRng, Tokens};
use firebrand_pipeline::{Error, Result};

use crate::learner::feed::{Feed, Prepared};
use crate::learner::memory::{Failure, too_small};
use crate::learner::pass::Passes;
use crate::optimiser::gradients::on_host;
use crate::{AdamW, Lora, LossScale, Objective};

/// A classifier with what moves it.
#[derive(Debug)]
pub struct Learner {
    /// What is trained; its device records gradients.
    pub classifier: Classifier,
    pub(crate) optimizer: AdamW,
    pub(crate) lora: Option<Lora>,
    pub(crate) feed: Feed,
    dropout: DropoutRng,
    /// 0: no clipping.
    max_grad_norm: f64,
    pub(crate) precision: Precision,
    pub(crate) loss_scale: Option<LossScale>,
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
    /// Whether nothing was updated, because the scaled loss had gradients that are not finite.
    pub skipped: bool,
}

impl Learner {
    /// Trains with dropout drawn from `seed`, and gradients clipped to the norm `max_grad_norm` (0: not clipped).
    pub fn new(classifier: Classifier, optimizer: AdamW, max_grad_norm: f64, seed: u64) -> Self {
        let (feed, dropout, precision) = (Feed::new(&classifier), DropoutRng::new(seed), Precision::default());
        Self { classifier, optimizer, lora: None, feed, dropout, max_grad_norm, precision, loss_scale: None }
    }

    /// Deals each batch out over the classifier's device and these. The parameters stay on the first and are copied to the others
    /// in each step; the update is one, by the gradient of the mean over all rows.
    #[must_use]
    pub fn with_more_devices(mut self, devices: impl IntoIterator<Item = Device>) -> Self {
        self.feed.devices.extend(devices);
        self
    }

    /// Computes in another precision than single. (Parameters stay single.)
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Scales the loss while gradients are taken, as half precision needs it. Steps whose gradients are not finite then are
    /// skipped.
    #[must_use]
    pub fn with_loss_scale(self, loss_scale: Option<LossScale>) -> Self {
        Self { loss_scale, ..self }
    }

    /// Makes another loss small than the plain one.
    #[must_use]
    pub fn with_objective(mut self, objective: Objective) -> Self {
        self.feed.objective = objective;
        self
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
    pub fn step_over(self, step: u64, batches: &[MicroBatch<'_>], learning_rate: f64) -> Result<(Self, StepFigures)> {
        let prepared = self.feed.prepare(step, batches)?;
        self.take(step, prepared, |feed| feed.prepare(step, batches), learning_rate)
    }

    /// Takes a step over rows that are tensors already. `again` makes them anew where a device's memory did not hold their
    /// batches, which are cut in two from then on: the step stays the same but for the places of dropout.
    ///
    /// # Errors
    /// As those of [`step_over`](Self::step_over).
    pub(crate) fn take(
        self,
        step: u64,
        prepared: Prepared,
        again: impl Fn(&Feed) -> Result<Prepared> + Send,
        learning_rate: f64,
    ) -> Result<(Self, StepFigures)> {
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
    ) -> Result<(Self, StepFigures)> {
        self.dropout.begin_step(step);
        // What was made ahead, before batches were cut.
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
                Err(Failure::Other(error)) => return Err(error),
                Err(Failure::Memory) if largest <= 1 => return Err(too_small()),
                Err(Failure::Memory) => {
                    self.feed.devices.iter().for_each(|device| device.clone().inner().memory_cleanup());
                    self.feed.set_halvings(self.feed.halvings() + 1);
                    prepared = again(&self.feed)?;
                }
            }
        };
        // Where a weight is moved by a low-rank update, its gradient becomes that of the update.
        let gradients = match &self.lora {
            Some(lora) => lora.project(gradients),
            None => gradients,
        };
        let gradients = if loss_scale == 1.0 { gradients } else { gradients.unscaled(loss_scale) };
        let grad_norm = gradients.norm();
        if let Some(loss_scale) = &mut self.loss_scale {
            loss_scale.add(grad_norm.is_finite())?;
            if !grad_norm.is_finite() {
                return Ok((self, StepFigures { loss, grad_norm, skipped: true }));
            }
        }
        if !grad_norm.is_finite() {
            return Err(Error::other(format!("the norm of the gradients is {grad_norm}")));
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
