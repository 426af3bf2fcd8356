//! Whether a tokenizer and a model belong together, as far as their sizes tell.

use firebrand_pipeline::{Error, Result};

use crate::TextTokenizer;

impl TextTokenizer {
    /// Checks that a model has an embedding for every token id and takes rows of [`max_length`](Self::max_length) tokens.
    /// `longest_row` is `None` for a model without a limit.
    ///
    /// # Errors
    /// A data error that names both sizes.
    pub fn check_fit(&self, vocabulary: usize, longest_row: Option<usize>) -> Result<()> {
        let misfit = |what: &str, tokenizer: usize, model: usize| {
            Err(Error::data(format!(
                "tokenizer and model do not fit: {what}: {tokenizer} in the tokenizer, {model} in the model"
            )))
        };
        if self.vocab_size() > vocabulary {
            return misfit("the number of tokens", self.vocab_size(), vocabulary);
        }
        match longest_row {
            Some(most) if self.max_length() > most => misfit("the longest text", self.max_length(), most),
            _ => Ok(()),
        }
    }
}
