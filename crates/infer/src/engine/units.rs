//! How rows are shared out.

use std::ops::Range;

/// Tokens of a unit: enough that reading the weights costs little beside computing, few enough that activations stay in a core's
/// own cache.
const TOKENS: usize = 256;

/// Consecutive rows of about [`TOKENS`] tokens in all.
pub(super) fn units(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (row, length) in lengths.enumerate() {
        match units.last_mut() {
            Some(unit) if tokens + length <= TOKENS => unit.end = row + 1,
            _ => {
                units.push(row..row + 1);
                tokens = 0;
            }
        }
        tokens += length;
    }
    units
}

/// The same, if there are fewer than two for each thread: none is left idle for long while another has a unit of many rows.
pub(super) fn few(units: &[Range<usize>], threads: usize) -> Vec<Range<usize>> {
    let (start, end) = (units.first().map_or(0, |unit| unit.start), units.last().map_or(0, |unit| unit.end));
    let rows = end - start;
    if rows < 2 * threads {
        return units.to_vec();
    }
    let parts = units.len().max(2 * threads).min(rows);
    (0..parts).map(|part| start + rows * part / parts..start + rows * (part + 1) / parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_unit() {
        let lengths = [10, 200, 100, 300, 1, 2, 3];
        assert_eq!(units(lengths.into_iter()), [0..2, 2..3, 3..4, 4..7]);
        assert!(units(std::iter::empty()).is_empty());
        for rows in 0..20 {
            let units = units(std::iter::repeat_n(100, rows));
            for threads in 1..5 {
                let shared: Vec<usize> = few(&units, threads).into_iter().flatten().collect();
                assert_eq!(shared, (0..rows).collect::<Vec<_>>());
            }
        }
    }
}
