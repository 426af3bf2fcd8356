//! The order of rows in training.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// How the rows of an epoch are sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Every row once.
    #[default]
    Shuffled,
    /// As many rows in all, and as many of every label: rare labels are oversampled, frequent ones undersampled.
    Balanced,
}

/// The size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// A number of rows.
    Rows(usize),
    /// A budget of tokens, padding included, for as many rows as fit (fairseq's `max_tokens`). A row above the budget is a batch
    /// of its own.
    Tokens(usize),
}

/// Makes the batches of an epoch, as row indices: a function of its fields and the epoch alone.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Length of each row in tokens.
    pub lengths: Vec<usize>,
    /// The rows of each label, for balanced sampling.
    pub by_label: Option<Vec<Vec<usize>>>,
    /// Size of a batch, per device.
    pub batch: BatchSize,
    /// Number of devices that share each batch.
    pub devices: usize,
    /// Number of batches whose rows are sorted by length together; 0 does not sort.
    pub sort_window: usize,
    /// Seed of all random choices.
    pub seed: u64,
}

impl Sampler {
    /// Number of batches in an epoch. With a token budget it depends on the order of the rows.
    pub fn batches(&self, epoch: u32) -> usize {
        match self.batch {
            BatchSize::Rows(size) => self.lengths.len().div_ceil(size * self.devices),
            BatchSize::Tokens(_) => self.epoch(epoch).len(),
        }
    }

    /// The batches of an epoch. Rows are shuffled, or drawn by label; then `sort_window` batches at a time are sorted by length, so
    /// that rows of similar length share a batch and there is little padding; then the batches are shuffled.
    pub fn epoch(&self, epoch: u32) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(epoch));
        let mut order = match &self.by_label {
            Some(by_label) => draw(by_label, self.lengths.len(), &mut rng),
            None => (0..self.lengths.len()).collect(),
        };
        order.shuffle(&mut rng);
        let mut batches = match self.batch {
            BatchSize::Rows(size) => {
                let size = size * self.devices;
                self.sort_windows(&mut order, size, false);
                order.chunks(size).map(<[usize]>::to_vec).collect()
            }
            BatchSize::Tokens(budget) => {
                let mean = self.lengths.iter().sum::<usize>().div_ceil(self.lengths.len().max(1));
                // Ascending in one window and descending in the next, so that no batch is cut short at the border of two.
                self.sort_windows(&mut order, (budget / mean.max(1)).max(1) * self.devices, true);
                self.cut(&order, budget)
            }
        };
        batches.shuffle(&mut rng);
        batches
    }

    /// Sorts windows of `sort_window` batches of this size by length; if `turning`, every second window in descending order.
    fn sort_windows(&self, order: &mut [usize], size: usize, turning: bool) {
        if self.sort_window == 0 {
            return;
        }
        for (place, window) in order.chunks_mut(size * self.sort_window).enumerate() {
            window.sort_by_key(|&row| self.lengths[row]);
            if turning && place % 2 == 1 {
                window.reverse();
            }
        }
    }

    /// Splits rows, in their order, into batches within a token budget.
    fn cut(&self, order: &[usize], budget: usize) -> Vec<Vec<usize>> {
        let mut batches = Vec::new();
        let (mut batch, mut longest) = (Vec::new(), 0);
        for &row in order {
            let with = longest.max(self.lengths[row]);
            longest = if !batch.is_empty() && (batch.len() + 1).div_ceil(self.devices) * with > budget {
                batches.push(std::mem::take(&mut batch));
                self.lengths[row]
            } else {
                with
            };
            batch.push(row);
        }
        batches.extend((!batch.is_empty()).then_some(batch));
        batches
    }
}

/// Draws `count` rows, as many of every label as of any other, give or take one. No row is drawn twice before all rows of its
/// label were drawn once.
fn draw(by_label: &[Vec<usize>], count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut labels: Vec<&Vec<usize>> = by_label.iter().filter(|rows| !rows.is_empty()).collect();
    // Decides which labels get one row more if they do not divide evenly.
    labels.shuffle(rng);
    let mut drawn = Vec::with_capacity(count);
    for (place, rows) in labels.iter().enumerate() {
        let mut wanted = count / labels.len() + usize::from(place < count % labels.len());
        while wanted > 0 {
            let mut rows = (*rows).clone();
            rows.shuffle(rng);
            rows.truncate(wanted);
            wanted -= rows.len();
            drawn.append(&mut rows);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(rows: usize, batch_size: usize, sort_window: usize) -> Sampler {
        let lengths = (0..rows).map(|row| 5 + row * 37 % 60).collect();
        Sampler { lengths, by_label: None, batch: BatchSize::Rows(batch_size), devices: 1, sort_window, seed: 42 }
    }

    /// Lengths like those of one-sentence film reviews: 10, 19, 26, 35, 47 and 78 tokens at 5, 25, 50, 75, 95 and 100 %.
    fn reviews(batch: BatchSize, sort_window: usize) -> Sampler {
        let known = [(0.0, 3.0), (0.05, 10.0), (0.25, 19.0), (0.5, 26.0), (0.75, 35.0), (0.95, 47.0), (1.0, 78.0)];
        let length = |share: f64| {
            let pair = known.windows(2).find(|pair| share <= pair[1].0).unwrap();
            let ((left, low), (right, high)) = (pair[0], pair[1]);
            (low + (high - low) * (share - left) / (right - left)).round() as usize
        };
        // The golden ratio's multiples fill the interval evenly in an order of no length.
        let lengths = (0..6824).map(|row| length(f64::from(row) * 0.618_033_988_75 % 1.0)).collect();
        Sampler { lengths, by_label: None, batch, devices: 1, sort_window, seed: 42 }
    }

    /// Room for tokens in all batches, and the share of it that is padding.
    fn padding(sampler: &Sampler) -> (usize, f64) {
        let longest = |rows: &Vec<usize>| rows.iter().map(|&row| sampler.lengths[row]).max().unwrap();
        let room: usize = sampler.epoch(0).iter().map(|rows| rows.len() * longest(rows)).sum();
        (room, 1.0 - sampler.lengths.iter().sum::<usize>() as f64 / room as f64)
    }

    #[test]
    fn an_epoch_has_every_row_once_and_its_own_order() {
        let sampler = sampler(103, 8, 4);
        let first = sampler.epoch(0);
        let mut rows = first.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..103).collect::<Vec<_>>());
        assert_eq!((first.len(), sampler.batches(0)), (13, 13));
        assert_eq!(first, sampler.epoch(0));
        assert_ne!(first, sampler.epoch(1));
        assert_ne!(first, Sampler { seed: 43, ..sampler }.epoch(0));
    }

    #[test]
    fn sorting_saves_padding() {
        let share = |batch, window| padding(&reviews(batch, window)).1;
        let (rows, tokens) = (BatchSize::Rows(16), BatchSize::Tokens(16 * 32));
        let found = [share(rows, 0), share(rows, 50), share(tokens, 0), share(tokens, 50)];
        // As it is: 49.6, 2.6, 42.8 and 2.3 %.
        assert!(found[0] > 0.4 && found[2] > 0.4 && found[1] < 0.04 && found[3] < 0.04, "{found:?}");
    }

    #[test]
    fn a_budget_of_tokens_is_kept_and_used() {
        for (window, budget) in [(0, 512), (50, 512), (50, 78), (3, 4096)] {
            let sampler = reviews(BatchSize::Tokens(budget), window);
            for epoch in 0..3 {
                let batches = sampler.epoch(epoch);
                assert_eq!(batches.len(), sampler.batches(epoch));
                assert_eq!(batches, sampler.epoch(epoch));
                let mut rows = batches.concat();
                rows.sort_unstable();
                assert_eq!(rows, (0..6824).collect::<Vec<_>>());
                let room = |rows: &Vec<usize>| rows.len() * rows.iter().map(|&row| sampler.lengths[row]).max().unwrap();
                assert!(batches.iter().all(|rows| room(rows) <= budget));
                // All but one batch are so full that one more row as long as the longest would not have fitted.
                let short = batches.iter().filter(|rows| (rows.len() + 1) * 78 <= budget);
                assert!(short.count() <= 1, "window {window}, budget {budget}");
                if (window, budget) == (50, 512) {
                    let used: usize = batches.iter().map(room).sum();
                    assert!(used > batches.len() * budget * 95 / 100, "{used} in {} batches", batches.len());
                }
            }
            assert_ne!(sampler.epoch(0), sampler.epoch(1));
        }
        let alone = reviews(BatchSize::Tokens(1), 50);
        assert_eq!(alone.batches(0), 6824);
    }

    #[test]
    fn each_device_has_a_batch_of_its_own_size() {
        let rows = Sampler { devices: 3, ..sampler(103, 8, 4) };
        let sizes: Vec<usize> = rows.epoch(0).iter().map(Vec::len).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>(), sizes.iter().max()), (rows.batches(0), 103, Some(&24)));
        let tokens = Sampler { devices: 3, ..reviews(BatchSize::Tokens(512), 50) };
        let mut most = 0;
        for batch in tokens.epoch(0) {
            // Dealt out, as they are over devices.
            for device in 0..3 {
                let share: Vec<usize> = batch.iter().skip(device).step_by(3).map(|&row| tokens.lengths[row]).collect();
                let room = share.len() * share.iter().max().unwrap_or(&0);
                assert!(room <= 512, "{room}");
                most = most.max(room);
            }
        }
        assert!(most > 500, "{most}");
    }

    #[test]
    fn balanced_epochs_show_every_label_as_often() {
        // Five rows of the first label, none of the second, 98 of the third.
        let by_label = Some(vec![(0..5).collect(), vec![], (5..103).collect()]);
        let sampler = Sampler { by_label, ..sampler(103, 8, 4) };
        let mut counts = vec![0; 103];
        sampler.epoch(0).concat().into_iter().for_each(|row| counts[row] += 1);
        let rare: usize = counts[..5].iter().sum();
        assert!(rare == 51 || rare == 52, "{rare}");
        assert_eq!(counts.iter().sum::<usize>(), 103);
        assert!(counts[..5].iter().all(|count| (10..=11).contains(count)), "{counts:?}");
        assert!(counts[5..].iter().all(|count| *count <= 1), "{counts:?}");
        assert_eq!(sampler.epoch(3), sampler.epoch(3));
        assert_ne!(sampler.epoch(0), sampler.epoch(1));
    }
}
