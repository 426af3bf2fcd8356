//! Texts of different lengths in one batch: packed one after the other, or padded to the longest.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::uninit::written;

/// The number of tokens of each text of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    lengths: Arc<[usize]>,
}

impl Texts {
    /// Texts of these lengths.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        Self { lengths: lengths.into_iter().collect() }
    }

    /// Number of tokens of each text.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Number of tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Number of tokens of the longest text.
    pub fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// Number of tokens before each text.
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
    /// When the slice has another length.
    pub fn pad(&self, packed: &[f32], width: usize) -> Vec<f32> {
        let row = self.longest() * width;
        assert_eq!(packed.len(), self.tokens() * width);
        let write = |[padded]: [&mut [MaybeUninit<f32>]; 1]| {
            let mut rest = packed;
            for (length, padded) in self.lengths.iter().zip(padded.chunks_exact_mut(row.max(1))) {
                let (text, others) = rest.split_at(length * width);
                let (tokens, padding) = padded.split_at_mut(text.len());
                tokens.write_copy_of_slice(text);
                padding.fill(MaybeUninit::new(0.0));
                rest = others;
            }
        };
        // SAFETY: each text's row is written, its padding too.
        let [padded] = unsafe { written([self.lengths.len() * row], write) };
        padded
    }

    /// Leaves the padding out: `[texts, longest, width]` to `[tokens, width]`.
    ///
    /// # Panics
    /// When the slice has another length.
    pub fn unpad(&self, padded: &[f32], width: usize) -> Vec<f32> {
        let row = self.longest() * width;
        assert_eq!(padded.len(), self.lengths.len() * row);
        let mut packed = Vec::with_capacity(self.tokens() * width);
        for (length, padded) in self.lengths.iter().zip(padded.chunks_exact(row.max(1))) {
            packed.extend_from_slice(&padded[..length * width]);
        }
        packed
    }
}
