//! The keys that a query sees.

use std::ops::Range;

/// How far a query sees: a number of tokens before and after its own.
///
/// The same two numbers as FlashAttention's `window_size` ([arXiv 2307.08691](https://arxiv.org/abs/2307.08691)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens before the query's own.
    pub before: usize,
    /// Tokens after it.
    pub after: usize,
}

impl Window {
    /// The whole text.
    pub const ALL: Self = Self { before: usize::MAX, after: usize::MAX };
    /// The query's own token and those before it.
    pub const CAUSAL: Self = Self { before: usize::MAX, after: 0 };

    /// A sliding window ([arXiv 2004.05150](https://arxiv.org/abs/2004.05150)): tokens at most this far away.
    pub const fn sliding(reach: usize) -> Self {
        Self { before: reach, after: reach }
    }

    /// What both windows see.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { before: self.before.min(other.before), after: self.after.min(other.after) }
    }

    /// Whether a query of a text of this length sees less than all of it.
    pub fn hides(self, length: usize) -> bool {
        self.before.min(self.after) < length.saturating_sub(1)
    }

    /// The keys that a query sees, in a text of this length.
    pub(crate) fn keys(self, query: usize, length: usize) -> Range<usize> {
        query.saturating_sub(self.before)..query.saturating_add(self.after).saturating_add(1).min(length)
    }

    /// The keys that any of these queries sees.
    pub(crate) fn keys_of_block(self, queries: Range<usize>, length: usize) -> Range<usize> {
        self.keys(queries.start, length).start..self.keys(queries.end - 1, length).end
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn windows_end_with_the_text() {
        assert_eq!(Window::ALL.keys(3, 9), 0..9);
        assert_eq!(Window::CAUSAL.keys(3, 9), 0..4);
        let near = Window::sliding(2);
        assert_eq!([near.keys(1, 9), near.keys(4, 9), near.keys(8, 9)], [0..4, 2..7, 6..9]);
        assert_eq!(near.keys_of_block(4..8, 9), 2..9);
        assert_eq!(near.intersection(Window::CAUSAL).keys(4, 9), 2..5);
    }

    #[test]
    fn a_window_as_long_as_the_text_hides_nothing() {
        assert!(!Window::ALL.hides(8192) && !Window::sliding(7).hides(8) && !Window::CAUSAL.hides(1));
        assert!(Window::sliding(6).hides(8) && Window::CAUSAL.hides(2));
    }
}
