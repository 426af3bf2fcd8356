//! The batches that validation computes: as large as the configuration says, halved when they do not fit into memory.

use burn::module::Module;
use firebrand_kernels::within_pool;
use firebrand_model::{Batch, Classifier, Tokens};
use firebrand_pipeline::{Result, ResultExt};

use crate::learner::memory::Failure;
use crate::{BatchSize, Config, Rows};

/// How large validation batches are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EvalBatches {
    size: BatchSize,
    /// How many times the size was halved for lack of memory.
    pub(crate) halvings: u32,
}

impl EvalBatches {
    /// Rows by `eval_batch_size`, or, where `tokens_per_batch` is set, as many as fit into that budget.
    pub(crate) fn new(config: &Config, halvings: u32) -> Self {
        let size = match config.tokens_per_batch {
            0 => BatchSize::Rows(config.eval_batch_size),
            budget => BatchSize::Tokens(budget),
        };
        Self { size, halvings }
    }

    /// The classifier's scores before softmax for every row, in the rows' order.
    ///
    /// # Errors
    /// When the device fails, or its memory does not hold a batch of one row.
    pub(crate) fn logits(
        &mut self,
        classifier: &Classifier,
        rows: &Rows,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<f32>>> {
        let (network, device) = (classifier.network.valid(), classifier.device().inner());
        let forward = |chunk: &[usize]| -> std::result::Result<Vec<Vec<f32>>, Failure> {
            let tokens: Vec<Tokens<'_>> = chunk.iter().map(|&row| rows.tokens(row)).collect();
            let batch = Batch::new(&tokens, classifier.pad_token_id(), &device)
                .or_data(|| "cannot make a validation batch".to_owned())?;
            let logits = within_pool(|| network.forward(&batch, None).try_into_data()).map_err(Failure::of)?;
            let values: Vec<f32> = logits.iter::<f32>().collect();
            Ok(values.chunks(classifier.labels().len()).map(<[f32]>::to_vec).collect())
        };
        let free = || device.memory_cleanup();
        self.run(&rows.lengths(), forward, free, progress)
    }

    /// Runs rows of these lengths in batches of similar length, and gives what `forward` made of each row.
    fn run<T: Clone + Default>(
        &mut self,
        lengths: &[usize],
        forward: impl Fn(&[usize]) -> std::result::Result<Vec<T>, Failure>,
        free_memory: impl Fn(),
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<T>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&row| lengths[row]);
        let mut found = vec![T::default(); lengths.len()];
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(self.count(lengths, rest));
            match forward(chunk) {
                Ok(values) => {
                    chunk.iter().zip(values).for_each(|(&row, value)| found[row] = value);
                    progress(chunk.len() as u64);
                    rest = later;
                }
                Err(Failure::Memory) if chunk.len() > 1 => {
                    free_memory();
                    self.halvings += 1;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(found)
    }

    /// How many of these rows, shortest first, make the next batch; at least one.
    fn count(&self, lengths: &[usize], rows: &[usize]) -> usize {
        let halved = |size: usize| size.checked_shr(self.halvings).unwrap_or(0).max(1);
        match self.size {
            BatchSize::Rows(size) => halved(size).min(rows.len()),
            BatchSize::Tokens(budget) => {
                let fits = |&(index, &row): &(usize, &usize)| (index + 1) * lengths[row] <= halved(budget);
                rows.iter().enumerate().take_while(fits).count().max(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// The batches of 20 rows on a device that holds at most `most` tokens, padding included; and how often they were halved.
    fn batches(size: BatchSize, most: usize) -> Result<(Vec<usize>, u32)> {
        let lengths: Vec<usize> = (0..20).map(|row| 3 + row * 7 % 20).collect();
        let (sizes, done) = (RefCell::new(Vec::new()), RefCell::new(0));
        let mut batches = EvalBatches { size, halvings: 0 };
        let forward = |rows: &[usize]| {
            let longest = rows.iter().map(|&row| lengths[row]).max().unwrap();
            if longest * rows.len() > most {
                return Err(Failure::of("out of device memory allocating 1 bytes"));
            }
            sizes.borrow_mut().push(rows.len());
            Ok(rows.iter().map(|row| row * 10).collect())
        };
        let found = batches.run(&lengths, forward, || (), &mut |rows| *done.borrow_mut() += rows)?;
        assert_eq!(found, (0..20).map(|row| row * 10).collect::<Vec<_>>());
        assert_eq!(done.into_inner(), 20);
        Ok((sizes.into_inner(), batches.halvings))
    }

    #[test]
    fn batches_have_the_configured_size() {
        assert_eq!(batches(BatchSize::Rows(8), 10_000).unwrap(), (vec![8, 8, 4], 0));
        // Lengths 3 to 22 under a budget of 60: 8 rows of up to 10 tokens would be 80.
        let (sizes, halvings) = batches(BatchSize::Tokens(60), 10_000).unwrap();
        assert_eq!((sizes, halvings), (vec![6, 4, 3, 3, 2, 2], 0));
        // A row that is longer than the budget is a batch of its own.
        assert_eq!(batches(BatchSize::Tokens(1), 10_000).unwrap().0, vec![1; 20]);
    }

    #[test]
    fn batches_are_halved_until_they_fit() {
        let (sizes, halvings) = batches(BatchSize::Rows(16), 50).unwrap();
        assert_eq!((sizes[0], halvings), (4, 3));
        assert_eq!(sizes.last(), Some(&2));
        let (_, halvings) = batches(BatchSize::Tokens(160), 50).unwrap();
        assert_eq!(halvings, 2);
    }

    #[test]
    fn a_row_that_does_not_fit_says_what_to_do() {
        let error = batches(BatchSize::Rows(16), 21).unwrap_err();
        assert!(error.render().contains("tokenize.max_length"), "{}", error.render());
    }
}
