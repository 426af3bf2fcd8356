//! The tensors of a step on the devices that train. With a GPU those of the next step are prepared in the meantime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::Scope;

use burn::tensor::Device;
use firebrand_arch::ProblemType;
use firebrand_model::{Batch, Classifier};
use firebrand_pipeline::{Result, ResultExt};

use crate::loss::Targets;
use crate::{MicroBatch, Objective};

/// Prepares the tensors of steps. They are the same whenever and on whichever thread they are prepared.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    /// The devices that share each batch; the first has the optimiser.
    pub(crate) devices: Vec<Device>,
    /// The training objective, which decides the targets.
    pub(crate) objective: Objective,
    /// How many times each batch is halved, its parts passing one after the other. Shared by all clones.
    halvings: Arc<AtomicU32>,
    /// The largest number of rows that fit into a device's memory.
    #[cfg(test)]
    pub(crate) fits: Option<usize>,
    pad_token_id: u32,
    labels: usize,
    problem: ProblemType,
}

/// The shards of a step, on their devices.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) shards: Vec<Shard>,
    /// How many times their batches were halved.
    pub(crate) halvings: u32,
}

/// Rows that share a forward pass on one device.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Index of the device.
    pub(crate) device: usize,
    /// Its number within the step, which selects its dropout masks.
    pub(crate) number: u32,
    pub(crate) batch: Batch,
    pub(crate) targets: Targets,
}

impl Prepared {
    /// Number of rows of the largest shard.
    pub(crate) fn largest(&self) -> usize {
        self.shards.iter().map(|shard| shard.batch.lengths.len()).max().unwrap_or(0)
    }
}

impl Feed {
    /// A feed for a classifier, on its own device.
    pub(crate) fn new(classifier: &Classifier) -> Self {
        Self {
            devices: vec![classifier.device()],
            objective: Objective::default(),
            halvings: Arc::default(),
            #[cfg(test)]
            fits: None,
            pad_token_id: classifier.pad_token_id(),
            labels: classifier.labels().len(),
            problem: classifier.config().problem,
        }
    }

    /// The tensors of a step, counted from 0. Each batch is sharded over the devices.
    ///
    /// # Errors
    /// When the rows cannot be batched, or their labels do not fit the classifier.
    pub(crate) fn prepare(&self, step: u64, batches: &[MicroBatch<'_>]) -> Result<Prepared> {
        let mut shards = Vec::with_capacity(batches.len() * self.devices.len());
        let halvings = self.halvings();
        for batch in batches.iter().flat_map(|batch| batch.split(1 << halvings)) {
            for (index, part) in batch.sharded(self.devices.len()).iter().enumerate() {
                let device = &self.devices[index];
                let answers = (self.labels, self.problem);
                let targets = self.objective.targets(&part.labels, &part.weights, answers, device)?;
                let batch = Batch::new(&part.rows, self.pad_token_id, device)
                    .or_data(|| format!("cannot make the batch of step {}", step + 1))?;
                shards.push(Shard { device: index, number: shards.len() as u32, batch, targets });
            }
        }
        Ok(Prepared { shards, halvings })
    }

    /// How many times batches are halved.
    pub(crate) fn halvings(&self) -> u32 {
        self.halvings.load(Ordering::Relaxed)
    }

    /// Halves batches this many times from now on.
    pub(crate) fn set_halvings(&self, halvings: u32) {
        self.halvings.store(halvings, Ordering::Relaxed);
    }
}

impl MicroBatch<'_> {
    /// Splits it into at most this many parts of equal size but for the last.
    fn split(&self, parts: usize) -> Vec<Self> {
        // An empty batch stays one, to be refused later.
        let rows = self.rows.len().div_ceil(parts).max(1);
        let starts = (0..self.rows.len().max(1)).step_by(rows);
        let of = |start: usize| Self {
            rows: self.rows.iter().skip(start).take(rows).copied().collect(),
            labels: self.labels.iter().skip(start).take(rows).copied().collect(),
            weights: self.weights.iter().skip(start).take(rows).copied().collect(),
        };
        starts.map(of).collect()
    }

    /// Deals its rows out to shards like cards, so that each has rows of all lengths; empty shards are left out.
    fn sharded(&self, shares: usize) -> Vec<Self> {
        let of = |share: usize| Self {
            rows: self.rows.iter().skip(share).step_by(shares).copied().collect(),
            labels: self.labels.iter().skip(share).step_by(shares).copied().collect(),
            weights: self.weights.iter().skip(share).step_by(shares).copied().collect(),
        };
        // An empty batch stays one, to be refused later.
        (0..shares.min(self.rows.len()).max(1)).map(of).collect()
    }
}

/// Applies `make` to each item, in order. If `beside`, a thread prepares the next one while the caller works on the last.
pub(crate) fn ahead<'scope, I: Copy + Send + 'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    beside: bool,
    items: impl Iterator<Item = I> + Send + 'scope,
    make: impl Fn(I) -> T + Send + 'scope,
) -> Box<dyn Iterator<Item = (I, T)> + 'scope> {
    let made = items.map(move |item| (item, make(item)));
    if !beside {
        return Box::new(made);
    }
    // One item waits here while another is being prepared.
    let (sender, receiver) = sync_channel(1);
    scope.spawn(move || {
        for pair in made {
            // The receiver is gone: a step failed, or training was stopped.
            if sender.send(pair).is_err() {
                break;
            }
        }
    });
    Box::new(receiver.into_iter())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use firebrand_model::Tokens;

    use super::*;

    #[test]
    fn rows_are_sharded_with_their_labels_and_weights() {
        let ids: Vec<[u32; 1]> = (0..7).map(|id| [id]).collect();
        let batch = MicroBatch {
            rows: ids.iter().map(|id| Tokens { ids: id, type_ids: &[0] }).collect(),
            labels: ids.iter().map(|id| id.as_slice()).collect(),
            weights: (0..7).map(|row| row as f32).collect(),
        };
        let found: Vec<Vec<u32>> = batch
            .sharded(3)
            .iter()
            .map(|share| {
                let rows: Vec<u32> = share.rows.iter().map(|row| row.ids[0]).collect();
                assert_eq!(share.labels.concat(), rows);
                assert_eq!(share.weights, rows.iter().map(|&row| row as f32).collect::<Vec<_>>());
                rows
            })
            .collect();
        assert_eq!(found, [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
        assert_eq!(batch.sharded(9).len(), 7);
        let plain = MicroBatch { weights: Vec::new(), ..batch };
        assert!(plain.sharded(3).iter().all(|share| share.weights.is_empty()));
    }

    /// How many items were prepared a while after the first was taken.
    fn prepared_ahead(beside: bool, wanted: usize) -> usize {
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let make = |item: usize| {
                made.fetch_add(1, Ordering::SeqCst);
                item * 10
            };
            let mut pairs = ahead(scope, beside, 0..1000, make);
            assert_eq!(pairs.next(), Some((0, 0)));
            let deadline = Instant::now() + Duration::from_secs(10);
            while made.load(Ordering::SeqCst) < wanted && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            let found = made.load(Ordering::SeqCst);
            assert_eq!(pairs.next(), Some((1, 10)));
            // The remaining items are not prepared: the scope ends at once, rather than never.
            found
        })
    }

    #[test]
    fn the_next_items_are_prepared_in_order_and_no_further() {
        assert_eq!(prepared_ahead(false, 1), 1);
        // The first, one that waits in the channel, and one that blocks until there is room.
        assert_eq!(prepared_ahead(true, 3), 3);
        for beside in [false, true] {
            std::thread::scope(|scope| {
                let found: Vec<_> = ahead(scope, beside, 0..100, |item: u32| item * 2).collect();
                assert_eq!(found, (0..100).map(|item| (item, item * 2)).collect::<Vec<_>>());
            });
        }
    }
}
