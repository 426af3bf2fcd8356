//! Rows of tokens.

/// One row of tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Ids in the model's vocabulary, special tokens included.
    pub ids: &'a [u32],
    /// Segment of each token: 0, or 1 in the second text of a pair. As long as `ids`.
    pub type_ids: &'a [u32],
}
