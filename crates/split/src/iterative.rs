//! Stratified assignment of multi-label rows.
//!
//! Label sets cannot serve as strata: in real data most sets have only a row or two. This is iterative stratification
//! (Sechidis, Tsoumakas and Vlahavas 2011, *On the stratification of multi-label data*): the label with the fewest remaining
//! rows is assigned first, because a bad split of a rare label cannot be corrected later. The paper sends a row to the split
//! that needs this one label most; here all labels of the row and the sizes of the splits count, because the sizes drift with
//! the paper's rule.

use std::cmp::Reverse;

use firebrand_dataset::Part;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::assign::{Tally, Unit};

/// Assigns every unit to a split. The last stratum holds all rows, the one before it the rows without labels, and each of the
/// others the rows with one label.
///
/// As in [`assign`](crate::assign::assign), larger units come first and go where they fit best.
pub(crate) fn assign(units: &[Unit], strata: usize, shares: [f64; 3], rng: &mut ChaCha8Rng) -> Vec<Part> {
    let mut parts: Vec<Part> = units.iter().map(|unit| unit.fixed.unwrap_or(Part::Train)).collect();
    let mut tally = Tally::new(units, strata, shares);
    let (mut single, mut several) = (Vec::new(), Vec::new());
    for (index, unit) in units.iter().enumerate() {
        match unit.fixed {
            Some(part) => tally.add(unit, part),
            None if unit.rows == 1 => single.push(index),
            None => several.push(index),
        }
    }
    several.shuffle(rng);
    several.sort_by_key(|&index| Reverse(units[index].rows));
    for index in several {
        parts[index] = tally.best(&units[index]);
        tally.add(&units[index], parts[index]);
    }

    single.shuffle(rng);
    let all = strata.saturating_sub(1);
    let mut with: Vec<Vec<usize>> = vec![Vec::new(); all];
    for &index in &single {
        for &(stratum, _) in units[index].counts.iter().filter(|(stratum, _)| *stratum != all) {
            with[stratum].push(index);
        }
    }
    let mut left: Vec<usize> = with.iter().map(Vec::len).collect();
    let mut open = vec![false; units.len()];
    single.iter().for_each(|&index| open[index] = true);
    // Ties go to the first label.
    while let Some(rarest) = (0..all).filter(|&stratum| left[stratum] > 0).min_by_key(|&stratum| left[stratum]) {
        for &index in &with[rarest] {
            if !std::mem::take(&mut open[index]) {
                continue;
            }
            let unit = &units[index];
            parts[index] = tally.best(unit);
            tally.add(unit, parts[index]);
            unit.counts.iter().filter(|(stratum, _)| *stratum != all).for_each(|(stratum, _)| left[*stratum] -= 1);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const TENTHS: [f64; 3] = [0.8, 0.1, 0.1];

    /// A row with these labels of four.
    fn row(labels: &[usize]) -> Unit {
        let mut counts: Vec<(usize, usize)> = labels.iter().map(|&label| (label, 1)).collect();
        if labels.is_empty() {
            counts.push((4, 1));
        }
        counts.push((5, 1));
        Unit { counts, rows: 1, fixed: None }
    }

    fn counts(units: &[Unit], seed: u64) -> [[usize; 3]; 6] {
        let parts = assign(units, 6, TENTHS, &mut ChaCha8Rng::seed_from_u64(seed));
        let mut counts = [[0; 3]; 6];
        for (unit, part) in units.iter().zip(parts) {
            unit.counts.iter().for_each(|(stratum, rows)| counts[*stratum][part as usize] += rows);
        }
        counts
    }

    #[test]
    fn shares_without_rounding_are_exact() {
        let mut units = vec![row(&[0]); 50];
        units.extend(vec![row(&[1]); 20]);
        units.extend(vec![row(&[]); 30]);
        let found = counts(&units, 1);
        assert_eq!((found[0], found[1]), ([40, 5, 5], [16, 2, 2]));
        assert_eq!((found[4], found[5]), ([24, 3, 3], [80, 10, 10]));
    }

    #[test]
    fn rare_labels_get_their_share_in_any_combination() {
        // Every label set occurs once or a few times; 10 rows have label 3.
        let mut units = Vec::new();
        for number in 0..200 {
            let mut labels: Vec<usize> = (0..3).filter(|label| number % (label + 2) == 0).collect();
            if number % 20 == 0 {
                labels.push(3);
            }
            units.push(row(&labels));
        }
        for seed in 0..20 {
            let found = counts(&units, seed);
            assert_eq!(found[3], [8, 1, 1], "seed {seed}");
            for (stratum, counts) in found.into_iter().enumerate() {
                // The sizes of the splits follow from the labels only.
                let most = if stratum == 5 { 4.0 } else { 2.0 };
                let rows = counts.iter().sum::<usize>() as f64;
                for (found, share) in counts.iter().zip(TENTHS) {
                    assert!((*found as f64 - rows * share).abs() <= most, "seed {seed}: {counts:?}");
                }
            }
        }
    }

    #[test]
    fn units_count_with_all_their_rows() {
        let mut units = vec![Unit { counts: vec![(0, 6), (1, 4), (5, 10)], rows: 10, fixed: None }];
        units.extend(vec![row(&[0]); 54]);
        units.extend(vec![row(&[1]); 36]);
        let found = counts(&units, 3);
        assert_eq!((found[0], found[1], found[5]), ([48, 6, 6], [32, 4, 4], [80, 10, 10]));
    }
}
