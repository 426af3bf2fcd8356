//! Sampling units: single rows, or groups of rows that are not independent.

use std::collections::HashMap;

/// The sampling unit of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// The unit that each row belongs to, counted from 0 in the order of the rows.
    of_row: Vec<u32>,
    count: usize,
}

impl Units {
    /// Every row by itself.
    pub fn rows(rows: usize) -> Self {
        Self { of_row: (0..rows as u32).collect(), count: rows }
    }

    /// Rows with the same group are one unit; a row without one is a unit by itself.
    pub fn groups<'a>(groups: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut known: HashMap<&str, u32> = HashMap::new();
        let mut count = 0;
        let mut new = || {
            count += 1;
            count - 1
        };
        let of_row = groups.into_iter().map(|group| match group {
            Some(group) => *known.entry(group).or_insert_with(&mut new),
            None => new(),
        });
        Self { of_row: of_row.collect(), count: count as usize }
    }

    /// How many units there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether any unit has more than one row.
    pub fn are_groups(&self) -> bool {
        self.count < self.of_row.len()
    }

    /// The unit of each row.
    pub(crate) fn of_row(&self) -> &[u32] {
        &self.of_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_group_are_one_unit() {
        let units = Units::groups([Some("a"), None, Some("b"), Some("a"), None]);
        assert_eq!((units.of_row(), units.count()), (&[0, 1, 2, 0, 3][..], 4));
        assert!(units.are_groups());
        assert_eq!(Units::groups([None, None]), Units::rows(2));
        assert!(!Units::rows(2).are_groups());
    }
}
