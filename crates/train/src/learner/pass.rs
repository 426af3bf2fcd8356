//! The forward and backward passes of a step, on one device or several.

use std::panic::resume_unwind;

use burn::module::Module;
use firebrand_fused::RowGradients;
use firebrand_kernels::Precision;
use firebrand_model::{DropoutRng, Network};
use firebrand_pipeline::Error;

use crate::learner::feed::{Feed, Prepared, Shard};
use crate::learner::memory::Failure;
use crate::loss::Targets;
use crate::{Gradients, Objective};

/// What all passes of a step share.
pub(crate) struct Passes<'a> {
    pub(crate) objective: &'a Objective,
    pub(crate) precision: Precision,
    /// As it is at the start of the step.
    pub(crate) dropout: &'a DropoutRng,
    /// Factor of the loss for the backward pass.
    pub(crate) loss_scale: f64,
}

type Result<T> = std::result::Result<T, Failure>;

/// The mean loss over a step's rows, and its gradients.
type Found = (f64, Option<Gradients>);

impl Passes<'_> {
    /// The mean loss over all rows of a step, and its gradients times the loss scale, on the first device: as if the rows were one
    /// batch.
    ///
    /// Every other device has a thread and a copy of the parameters. Sums are taken in the order of the devices, so that timing
    /// changes nothing.
    pub(crate) fn all(&self, network: &Network, feed: &Feed, prepared: Prepared) -> Result<(f64, Gradients)> {
        let mass =
            Mass { all: prepared.shards.iter().map(|shard| shard.targets.mass()).sum(), count: prepared.shards.len() };
        let mut of_devices: Vec<Vec<Shard>> = feed.devices.iter().map(|_| Vec::new()).collect();
        prepared.shards.into_iter().for_each(|shard| of_devices[shard.device].push(shard));
        let mut of_devices = feed.devices.iter().zip(of_devices).filter(|(_, shards)| !shards.is_empty());
        let nothing = || Error::other("a step needs at least one batch");
        let (home, first) = of_devices.next().ok_or_else(nothing)?;
        #[cfg(test)]
        if feed.fits.is_some_and(|fits| first.iter().any(|shard| shard.batch.lengths.len() > fits)) {
            return Err(Failure::of("out of device memory allocating 1 bytes"));
        }
        let found: Vec<Result<Found>> = std::thread::scope(|scope| {
            let others: Vec<_> = of_devices
                .map(|(device, shards)| {
                    let copy = network.clone().fork(device);
                    scope.spawn(move || self.over(&copy, shards, mass))
                })
                .collect();
            let first = self.over(network, first, mass);
            let others = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            std::iter::once(first).chain(others).collect()
        });
        let mut sum: Found = (0.0, None);
        for (index, found) in found.into_iter().enumerate() {
            let (loss, gradients) = found?;
            let gradients = gradients.map(|found| if index == 0 { found } else { found.on(&home.clone().inner()) });
            sum = (sum.0 + loss, plus(sum.1, gradients));
        }
        let gradients = sum.1.ok_or_else(nothing)?;
        gradients.check()?;
        Ok((sum.0, gradients))
    }

    /// Runs the shards of one device, one after the other.
    fn over(&self, network: &Network, shards: Vec<Shard>, mass: Mass) -> Result<Found> {
        let mut sum: Found = (0.0, None);
        for shard in shards {
            let (loss, gradients) = self.one(network, &shard, mass.share(&shard.targets))?;
            sum = (sum.0 + loss, plus(sum.1, Some(gradients)));
        }
        Ok(sum)
    }

    /// A shard's contribution to the mean loss of the step, and its gradients.
    fn one(&self, network: &Network, shard: &Shard, share: f64) -> Result<(f64, Gradients)> {
        // Dropout masks depend on the shard, not on the device, and no two shards share any.
        let mut dropout = self.dropout.clone();
        dropout.begin_batch(shard.number);
        let rows = RowGradients::default();
        let mut logits = || rows.within(|| self.precision.within(|| network.forward(&shard.batch, Some(&mut dropout))));
        let loss = if self.objective.r_drop > 0.0 {
            let (logits, again) = (logits(), logits());
            self.objective.loss_of_two(logits, again, &shard.targets)
        } else {
            self.objective.loss(logits(), &shard.targets)
        };
        let loss = if share == 1.0 { loss } else { loss.mul_scalar(share) };
        let found = loss.clone().try_into_data().map_err(Failure::of)?.iter::<f64>().sum::<f64>();
        if !found.is_finite() {
            return Err(Failure::NotFinite(format!("the loss is {found}")));
        }
        let loss = if self.loss_scale == 1.0 { loss } else { loss.mul_scalar(self.loss_scale) };
        Ok((found, Gradients::of(network, loss.backward(), &rows)))
    }
}

/// The total weight of a step's rows.
#[derive(Clone, Copy)]
struct Mass {
    all: f64,
    /// Number of shards.
    count: usize,
}

impl Mass {
    /// A shard's share of the mean.
    fn share(self, targets: &Targets) -> f64 {
        if self.count == 1 || self.all == 0.0 { 1.0 } else { targets.mass() / self.all }
    }
}

fn plus(sum: Option<Gradients>, more: Option<Gradients>) -> Option<Gradients> {
    match (sum, more) {
        (Some(sum), Some(more)) => Some(sum.plus(more)),
        (sum, more) => sum.or(more),
    }
}
