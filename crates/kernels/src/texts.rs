//! Texts of different lengths in one batch: packed one after the other, or padded to the longest.

use std::sync::Arc;

/// How many tokens each text of a batch has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    lengths: Arc<[usize]>,
}

impl Texts {
    /// Texts of these lengths.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        Self { lengths: lengths.into_iter().collect() }
    }

    /// Tokens of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// Tokens before each text.
    pub fn starts(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().scan(0, |before, length| {
            let start = *before;
            *before += length;
            Some(start)
        })
    }

    /// Pads with zeros: `[tokens, width]` to `[texts, longest, width]`.
    ///
    /// # Panics
    /// When a slice has another length than that.
    pub fn pad(&self, packed: &[f32], width: usize, padded: &mut [f32]) {
        let row = self.longest() * width;
        assert!(packed.len() == self.tokens() * width && padded.len() == self.lengths.len() * row);
        let mut rest = packed;
        for (length, padded) in self.lengths.iter().zip(padded.chunks_exact_mut(row.max(1))) {
            let (text, others) = rest.split_at(length * width);
            let (tokens, padding) = padded.split_at_mut(text.len());
            tokens.copy_from_slice(text);
            padding.fill(0.0);
            rest = others;
        }
    }

    /// Leaves the padding out: `[texts, longest, width]` to `[tokens, width]`.
    ///
    /// # Panics
    /// When a slice has another length than that.
    pub fn unpad(&self, padded: &[f32], width: usize, packed: &mut [f32]) {
        let row = self.longest() * width;
        assert!(packed.len() == self.tokens() * width && padded.len() == self.lengths.len() * row);
        let mut rest = packed;
        for (length, padded) in self.lengths.iter().zip(padded.chunks_exact(row.max(1))) {
            let (text, others) = rest.split_at_mut(length * width);
            text.copy_from_slice(&padded[..length * width]);
            rest = others;
        }
    }
}
