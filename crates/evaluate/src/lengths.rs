//! How long a part's rows are, and how much of them the model never sees.

use firebrand_dataset::TokenRow;

/// Lengths of a part's rows, in tokens, special ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lengths {
    pub(crate) rows: u64,
    pub(crate) median: u64,
    pub(crate) longest: u64,
    /// Rows that were cut at the longest length that the tokenizer was given.
    pub(crate) cut_rows: u64,
    /// Tokens that these rows lost.
    pub(crate) cut_tokens: u64,
}

impl Lengths {
    pub(crate) fn of(tokens: &[TokenRow]) -> Self {
        let mut lengths: Vec<u64> = tokens.iter().map(|row| row.ids.len() as u64).collect();
        lengths.sort_unstable();
        Self {
            rows: lengths.len() as u64,
            median: lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
            longest: lengths.last().copied().unwrap_or_default(),
            cut_rows: tokens.iter().filter(|row| row.cut > 0).count() as u64,
            cut_tokens: tokens.iter().map(|row| u64::from(row.cut)).sum(),
        }
    }

    /// Share of the rows that were cut.
    pub(crate) fn cut_share(&self) -> f64 {
        self.cut_rows as f64 / self.rows.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_cuts_are_counted() {
        let row = |length: usize, cut: u32| TokenRow {
            id: 0,
            ids: vec![1; length],
            type_ids: vec![0; length],
            labels: vec![0],
            weight: 1.0,
            cut,
        };
        let lengths = Lengths::of(&[row(8, 5), row(3, 0), row(8, 1), row(4, 0)]);
        assert_eq!(lengths, Lengths { rows: 4, median: 8, longest: 8, cut_rows: 2, cut_tokens: 6 });
        assert_eq!(lengths.cut_share(), 0.5);
        assert_eq!(Lengths::of(&[]), Lengths::default());
        assert_eq!(Lengths::default().cut_share(), 0.0);
    }
}
