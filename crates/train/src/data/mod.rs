//! The rows of a split.

pub(crate) mod epochs;
pub(crate) mod sampling;

use firebrand_dataset::{LabelMap, TokenRow};
use firebrand_model::{Classifier, Tokens};
use firebrand_pipeline::{Error, Result};

/// Rows of a split, with one label each or, for a multi-label map, any number.
#[derive(Debug)]
pub struct Rows {
    rows: Vec<TokenRow>,
    split: &'static str,
}

impl Rows {
    /// Checks that there are rows, and that each has tokens and valid labels.
    ///
    /// # Errors
    /// A data error that names the split and the row.
    pub fn new(rows: Vec<TokenRow>, labels: &LabelMap, split: &'static str) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::data(format!("the {split} split has no rows")).hint("see the report of the split stage"));
        }
        for row in &rows {
            let problem = |problem: String| {
                Error::data(format!("{split} row {}: {problem}", row.id))
                    .hint("run the pipeline with `--from clean --force`")
            };
            if let Some(found) = labels.problem_of(&row.labels) {
                let error = problem(found);
                return Err(if labels.is_multi_label() || row.labels.len() == 1 {
                    error
                } else {
                    error.hint("if rows may have several labels, or none, set `clean.multi_label = true`")
                });
            }
            if row.ids.is_empty() || row.ids.len() != row.type_ids.len() {
                return Err(problem(format!("{} ids and {} type ids", row.ids.len(), row.type_ids.len())));
            }
        }
        Ok(Self { rows, split })
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

    /// Weight of a row in the training loss.
    pub fn weight(&self, row: usize) -> f32 {
        self.rows[row].weight
    }

    /// The id of a row.
    pub fn id(&self, row: usize) -> u64 {
        self.rows[row].id
    }

    /// The length of every row, in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.ids.len()).collect()
    }

    /// A hash of everything in the rows that training reads.
    pub(crate) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for row in &self.rows {
            hasher.update(&row.id.to_le_bytes());
            for numbers in [&row.ids, &row.type_ids, &row.labels] {
                hasher.update(&(numbers.len() as u64).to_le_bytes());
                for number in numbers {
                    hasher.update(&number.to_le_bytes());
                }
            }
            hasher.update(&row.weight.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Refuses rows that are too long for the model, or have ids beyond its embedding tables.
    pub(crate) fn check_fits(&self, classifier: &Classifier) -> Result<()> {
        for row in &self.rows {
            let problem = |problem: String| Err(Error::data(format!("{} row {}: {problem}", self.split, row.id)));
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
