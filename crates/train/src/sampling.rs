//! The order in which training sees the rows.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// Which rows an epoch has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Every row once.
    #[default]
    Shuffled,
    /// As many rows, of every label the same number: of a rare label each row several times, of a frequent one some.
    Balanced,
}

/// Gives the batches of an epoch, as row numbers: a function of what it was made from and the epoch alone.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Tokens of each row.
    pub lengths: Vec<usize>,
    /// The rows of each label, where each is to be seen as often as the others.
    pub by_label: Option<Vec<Vec<usize>>>,
    /// Rows in a batch.
    pub batch_size: usize,
    /// Batches that are sorted by length together; 0: none.
    pub sort_window: usize,
    /// Of all random choices.
    pub seed: u64,
}

impl Sampler {
    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        self.lengths.len().div_ceil(self.batch_size)
    }

    /// Rows are shuffled, or drawn; then `sort_window` batches at a time are sorted by length, so that rows of like length
    /// share a batch and little is padded; then the batches are shuffled.
    pub fn epoch(&self, epoch: u32) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(epoch));
        let mut order = match &self.by_label {
            Some(by_label) => draw(by_label, self.lengths.len(), &mut rng),
            None => (0..self.lengths.len()).collect(),
        };
        order.shuffle(&mut rng);
        if self.sort_window > 0 {
            for window in order.chunks_mut(self.batch_size * self.sort_window) {
                window.sort_by_key(|&row| self.lengths[row]);
            }
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch_size).map(<[usize]>::to_vec).collect();
        batches.shuffle(&mut rng);
        batches
    }
}

/// `count` rows, of every label that has any the same number but for one; no row again before all of its label were drawn.
fn draw(by_label: &[Vec<usize>], count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut labels: Vec<&Vec<usize>> = by_label.iter().filter(|rows| !rows.is_empty()).collect();
    // Who gets one row more where they do not divide.
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
        Sampler { lengths, by_label: None, batch_size, sort_window, seed: 42 }
    }

    #[test]
    fn an_epoch_has_every_row_once_and_its_own_order() {
        let sampler = sampler(103, 8, 4);
        let first = sampler.epoch(0);
        let mut rows = first.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..103).collect::<Vec<_>>());
        assert_eq!((first.len(), sampler.batches()), (13, 13));
        assert_eq!(first, sampler.epoch(0));
        assert_ne!(first, sampler.epoch(1));
        assert_ne!(first, Sampler { seed: 43, ..sampler }.epoch(0));
    }

    #[test]
    fn sorting_saves_padding() {
        let padded = |window: usize| -> usize {
            let sampler = sampler(1024, 16, window);
            let longest = |rows: &Vec<usize>| rows.iter().map(|&row| sampler.lengths[row]).max().unwrap();
            sampler.epoch(0).iter().map(|rows| rows.len() * longest(rows)).sum()
        };
        assert!(padded(50) * 10 < padded(0) * 7, "{} against {}", padded(50), padded(0));
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
