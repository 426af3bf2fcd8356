//! The steps of each epoch.

use crate::Sampler;

/// The steps of all epochs. With a token budget their number varies from epoch to epoch, with the order of the rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Epochs {
    /// Steps done after each epoch.
    ends: Vec<u64>,
}

impl Epochs {
    /// This many epochs, with this many batches per step.
    pub(crate) fn new(sampler: &Sampler, epochs: u32, batches_in_step: usize) -> Self {
        let mut end = 0;
        let count = |epoch| {
            end += sampler.batches(epoch).div_ceil(batches_in_step) as u64;
            end
        };
        Self { ends: (0..epochs).map(count).collect() }
    }

    /// Number of steps in all epochs.
    pub(crate) fn steps(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The epoch in progress after so many steps, and how many of its steps are done.
    pub(crate) fn place(&self, step: u64) -> (u32, u64) {
        let epoch = self.ends.partition_point(|&end| end <= step);
        (epoch as u32, step - self.start(epoch))
    }

    /// Number of steps in an epoch.
    pub(crate) fn steps_of(&self, epoch: u32) -> u64 {
        self.ends.get(epoch as usize).map_or(0, |end| end - self.start(epoch as usize))
    }

    /// Epochs done after so many steps, including the fraction of the current one.
    pub(crate) fn seen(&self, step: u64) -> f64 {
        let (epoch, done) = self.place(step);
        f64::from(epoch) + done as f64 / self.steps_of(epoch).max(1) as f64
    }

    /// Whether an epoch ends with this many steps done.
    pub(crate) fn ends_at(&self, step: u64) -> bool {
        self.ends.binary_search(&step).is_ok()
    }

    fn start(&self, epoch: usize) -> u64 {
        epoch.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchSize;

    #[test]
    fn steps_are_counted_over_epochs_of_different_lengths() {
        let epochs = Epochs { ends: vec![4, 7, 12] };
        assert_eq!(
            [0, 3, 4, 6, 7, 12].map(|step| epochs.place(step)),
            [(0, 0), (0, 3), (1, 0), (1, 2), (2, 0), (3, 0)]
        );
        assert_eq!([0, 1, 4, 7, 8, 12].map(|step| epochs.seen(step)), [0.0, 0.25, 1.0, 2.0, 2.2, 3.0]);
        assert_eq!((0..=12).filter(|&step| epochs.ends_at(step)).collect::<Vec<_>>(), [4, 7, 12]);
        assert_eq!(epochs.steps(), 12);
    }

    #[test]
    fn a_budget_of_tokens_decides_the_steps() {
        let lengths: Vec<usize> = (0..60).map(|row| 5 + row * 37 % 60).collect();
        let sampler =
            |batch| Sampler { lengths: lengths.clone(), by_label: None, batch, devices: 1, sort_window: 0, seed: 1 };
        assert_eq!(Epochs::new(&sampler(BatchSize::Rows(8)), 3, 3), Epochs { ends: vec![3, 6, 9] });
        let budget = sampler(BatchSize::Tokens(150));
        let epochs = Epochs::new(&budget, 3, 1);
        let steps: Vec<u64> = (0..3).map(|epoch| budget.epoch(epoch).len() as u64).collect();
        assert_eq!(epochs.ends, [steps[0], steps[0] + steps[1], steps.iter().sum::<u64>()]);
        // What the test rests on: they are not the same number in every epoch.
        assert!(steps.iter().any(|count| *count != steps[0]), "{steps:?}");
    }
}
