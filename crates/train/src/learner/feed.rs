//! A step's rows as tensors on the devices that take them; where a device computes by itself, those of the next step are
//! made meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::Scope;

use burn::tensor::Device;
use firebrand_model::{Batch, Classifier, ProblemType};
use firebrand_pipeline::{Result, ResultExt};

use crate::loss::Targets;
use crate::{MicroBatch, Objective};

/// Makes tensors of rows. A step's are the same whenever and on whichever thread they are made.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    /// The devices that share each batch; the first has the optimiser.
    pub(crate) devices: Vec<Device>,
    /// What the scores are held against.
    pub(crate) objective: Objective,
    /// How often each batch is cut in two, so that its parts pass one after the other: the same for all clones.
    halvings: Arc<AtomicU32>,
    /// Rows of a batch that the memory of a device holds.
    #[cfg(test)]
    pub(crate) fits: Option<usize>,
    pad_token_id: u32,
    labels: usize,
    problem: ProblemType,
}

/// A step's rows on their devices.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) shards: Vec<Shard>,
    /// How often their batches were cut in two.
    pub(crate) halvings: u32,
}

/// Rows that pass the network of one device together.
#[derive(Debug)]
pub(crate) struct Shard {
    /// The device's index.
    pub(crate) device: usize,
    /// Its number within the step, which tells its dropout from that of all others.
    pub(crate) number: u32,
    pub(crate) batch: Batch,
    pub(crate) targets: Targets,
}

impl Prepared {
    /// Rows of the largest shard.
    pub(crate) fn largest(&self) -> usize {
        self.shards.iter().map(|shard| shard.batch.lengths.len()).max().unwrap_or(0)
    }
}

impl Feed {
    /// Of the batches of a classifier, on its own device.
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

    /// The tensors of a step, counted from 0. Each batch is dealt out over the devices.
    ///
    /// # Errors
    /// When the rows cannot be batched, or their labels are not such as the classifier gives.
    pub(crate) fn prepare(&self, step: u64, batches: &[MicroBatch<'_>]) -> Result<Prepared> {
        let mut shards = Vec::with_capacity(batches.len() * self.devices.len());
        let halvings = self.halvings();
        for batch in batches.iter().flat_map(|batch| batch.cut(1 << halvings)) {
            for (index, part) in batch.dealt(self.devices.len()).iter().enumerate() {
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

    /// How often batches are cut in two.
    pub(crate) fn halvings(&self) -> u32 {
        self.halvings.load(Ordering::Relaxed)
    }

    /// Cuts batches in two so many times from now on.
    pub(crate) fn set_halvings(&self, halvings: u32) {
        self.halvings.store(halvings, Ordering::Relaxed);
    }
}

impl MicroBatch<'_> {
    /// At most so many parts, one after the other, with as many rows each but the last.
    fn cut(&self, parts: usize) -> Vec<Self> {
        // A batch without rows stays one, to be refused as such.
        let rows = self.rows.len().div_ceil(parts).max(1);
        let starts = (0..self.rows.len().max(1)).step_by(rows);
        let of = |start: usize| Self {
            rows: self.rows.iter().skip(start).take(rows).copied().collect(),
            labels: self.labels.iter().skip(start).take(rows).copied().collect(),
            weights: self.weights.iter().skip(start).take(rows).copied().collect(),
        };
        starts.map(of).collect()
    }

    /// Its rows dealt out like cards, so that each of so many shares has rows of all lengths; shares without any are left out.
    fn dealt(&self, shares: usize) -> Vec<Self> {
        let of = |share: usize| Self {
            rows: self.rows.iter().skip(share).step_by(shares).copied().collect(),
            labels: self.labels.iter().skip(share).step_by(shares).copied().collect(),
            weights: self.weights.iter().skip(share).step_by(shares).copied().collect(),
        };
        // A batch without rows stays one, to be refused as such.
        (0..shares.min(self.rows.len()).max(1)).map(of).collect()
    }
}

/// What `make` makes of each item, in order. If `beside`, one thread more makes what comes next while a caller works with
/// what came before.
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
    // One waits here and another is under way.
    let (sender, receiver) = sync_channel(1);
    scope.spawn(move || {
        for pair in made {
            // Nobody takes any more: a step failed, or training was stopped.
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
    fn rows_are_dealt_out_with_their_labels_and_weights() {
        let ids: Vec<[u32; 1]> = (0..7).map(|id| [id]).collect();
        let batch = MicroBatch {
            rows: ids.iter().map(|id| Tokens { ids: id, type_ids: &[0] }).collect(),
            labels: ids.iter().map(|id| id.as_slice()).collect(),
            weights: (0..7).map(|row| row as f32).collect(),
        };
        let found: Vec<Vec<u32>> = batch
            .dealt(3)
            .iter()
            .map(|share| {
                let rows: Vec<u32> = share.rows.iter().map(|row| row.ids[0]).collect();
                assert_eq!(share.labels.concat(), rows);
                assert_eq!(share.weights, rows.iter().map(|&row| row as f32).collect::<Vec<_>>());
                rows
            })
            .collect();
        assert_eq!(found, [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
        assert_eq!(batch.dealt(9).len(), 7);
        let plain = MicroBatch { weights: Vec::new(), ..batch };
        assert!(plain.dealt(3).iter().all(|share| share.weights.is_empty()));
    }

    /// How many were made by the time the first had been taken for a while.
    fn made_meanwhile(beside: bool, wanted: usize) -> usize {
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
            // What is left is not made: the scope ends at once, rather than never.
            found
        })
    }

    #[test]
    fn what_comes_next_is_made_meanwhile_in_order_and_no_further() {
        assert_eq!(made_meanwhile(false, 1), 1);
        // The first, one that waits, and one that is held until there is room.
        assert_eq!(made_meanwhile(true, 3), 3);
        for beside in [false, true] {
            std::thread::scope(|scope| {
                let found: Vec<_> = ahead(scope, beside, 0..100, |item: u32| item * 2).collect();
                assert_eq!(found, (0..100).map(|item| (item, item * 2)).collect::<Vec<_>>());
            });
        }
    }
}
