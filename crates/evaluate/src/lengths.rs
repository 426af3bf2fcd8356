//! Row lengths in tokens, and how many tokens are lost to truncation.

use firebrand_dataset::TokenRow;

/// Row lengths of a split, in tokens, special tokens included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lengths {
    pub(crate) rows: u64,
    pub(crate) median: u64,
    pub(crate) longest: u64,
    /// Rows truncated to the tokenizer's maximum length.
    pub(crate) truncated_rows: u64,
    /// Tokens lost to truncation.
    pub(crate) lost_tokens: u64,
}

impl Lengths {
    pub(crate) fn of(tokens: &[TokenRow]) -> Self {
        let mut lengths: Vec<u64> = tokens.iter().map(|row| row.ids.len() as u64).collect();
        lengths.sort_unstable();
        Self {
            rows: lengths.len() as u64,
            median: lengths.get(lengths.len() / 2).copied().unwrap_or_default(),
            longest: lengths.last().copied().unwrap_or_default(),
            truncated_rows: tokens.iter().filter(|row| row.cut > 0).count() as u64,
            lost_tokens: tokens.iter().map(|row| u64::from(row.cut)).sum(),
        }
    }

    /// Share of the rows that were truncated.
    pub(crate) fn truncated_share(&self) -> f64 {
        self.truncated_rows as f64 / self.rows.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_truncated_rows_are_counted() {
        let row = |length: usize, cut: u32| TokenRow {
            id: 0,
            ids: vec![1; length],
            type_ids: vec![0; length],
            labels: vec![0],
            weight: 1.0,
            cut,
        };
        let lengths = Lengths::of(&[row(8, 5), row(3, 0), row(8, 1), row(4, 0)]);
        assert_eq!(lengths, Lengths { rows: 4, median: 8, longest: 8, truncated_rows: 2, lost_tokens: 6 });
        assert_eq!(lengths.truncated_share(), 0.5);
        assert_eq!(Lengths::of(&[]), Lengths::default());
        assert_eq!(Lengths::default().truncated_share(), 0.0);
    }
}
