//! The rows of a part, and the order in which training sees them.

use firebrand_dataset::{LabelMap, TokenRow};
use firebrand_model::{Classifier, Tokens};
use firebrand_pipeline::{Error, Result};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Rows with one label each or, where the label map says so, any number.
#[derive(Debug)]
pub struct Rows {
    rows: Vec<TokenRow>,
    part: &'static str,
}

impl Rows {
    /// Checks that there are rows, each with tokens and with labels of the map.
    ///
    /// # Errors
    /// A data error that names the part and the row.
    pub fn new(rows: Vec<TokenRow>, labels: &LabelMap, part: &'static str) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::data(format!("the {part} part has no rows")).hint("see the report of the split stage"));
        }
        for row in &rows {
            let problem = |problem: String| {
                Error::data(format!("{part} row {}: {problem}", row.id))
                    .hint("run the pipeline with `--from clean --force`")
            };
            if let Some(found) = labels.problem_of(&row.labels) {
                let error = problem(found);
                return Err(if labels.is_multi_label() || row.labels.len() == 1 {
                    error
                } else {
                    error.hint("where rows may have several labels, or none: `clean.multi_label = true`")
                });
            }
            if row.ids.is_empty() || row.ids.len() != row.type_ids.len() {
                return Err(problem(format!("{} ids and {} type ids", row.ids.len(), row.type_ids.len())));
            }
        }
        Ok(Self { rows, part })
    }

    /// Number of rows; at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The tokens of a row.
    pub fn tokens(&self, row: usize) -> Tokens<'_> {
        Tokens { ids: &self.rows[row].ids, type_ids: &self.rows[row].type_ids }
    }

    /// The labels of a row.
    pub fn labels(&self, row: usize) -> &[u32] {
        &self.rows[row].labels
    }

    /// The length of every row, in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.ids.len()).collect()
    }

    /// Refuses rows that the model's tables do not reach.
    pub(crate) fn check_fits(&self, classifier: &Classifier) -> Result<()> {
        for row in &self.rows {
            let problem = |problem: String| Err(Error::data(format!("{} row {}: {problem}", self.part, row.id)));
            if let Some(most) = classifier.max_length().filter(|&most| row.ids.len() > most) {
                return problem(format!(
                    "{} tokens, but the model takes {most}: lower `tokenize.max_length`",
                    row.ids.len()
                ));
            }
            let types = classifier.config().network.encoder.embeddings.types.unwrap_or(usize::MAX);
            if let Some(id) = row.type_ids.iter().find(|&&id| id as usize >= types) {
                return problem(format!("segment {id}, but the model has {types}: the tokenizer is not this model's"));
            }
            if let Some(id) = row.ids.iter().find(|&&id| id as usize >= classifier.vocab_size()) {
                return problem(format!(
                    "token id {id}, but the model's vocabulary has {} entries: the tokenizer is not this model's",
                    classifier.vocab_size()
                ));
            }
        }
        Ok(())
    }
}

/// The batches of an epoch, as row numbers: every row once.
///
/// Rows are shuffled; then `sort_window` batches at a time are sorted by length, so that rows of like length share a batch
/// and little is padded; then the batches are shuffled. A function of its arguments alone.
pub fn epoch_batches(
    lengths: &[usize],
    batch_size: usize,
    sort_window: usize,
    seed: u64,
    epoch: u32,
) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(epoch));
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.shuffle(&mut rng);
    if sort_window > 0 {
        for window in order.chunks_mut(batch_size * sort_window) {
            window.sort_by_key(|&row| lengths[row]);
        }
    }
    let mut batches: Vec<Vec<usize>> = order.chunks(batch_size).map(<[usize]>::to_vec).collect();
    batches.shuffle(&mut rng);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_every_row_once_and_its_own_order() {
        let lengths: Vec<usize> = (0..103).map(|row| 5 + row * 37 % 60).collect();
        let first = epoch_batches(&lengths, 8, 4, 42, 0);
        let mut rows = first.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..103).collect::<Vec<_>>());
        assert_eq!(first.len(), 13);
        assert_eq!(first, epoch_batches(&lengths, 8, 4, 42, 0));
        assert_ne!(first, epoch_batches(&lengths, 8, 4, 42, 1));
        assert_ne!(first, epoch_batches(&lengths, 8, 4, 43, 0));
    }

    #[test]
    fn sorting_saves_padding() {
        let lengths: Vec<usize> = (0..1024).map(|row| 5 + row * 37 % 60).collect();
        let padded = |window: usize| -> usize {
            let batches = epoch_batches(&lengths, 16, window, 1, 0);
            batches.iter().map(|rows| rows.len() * rows.iter().map(|&row| lengths[row]).max().unwrap()).sum()
        };
        assert!(padded(50) * 10 < padded(0) * 7, "{} against {}", padded(50), padded(0));
    }
}
