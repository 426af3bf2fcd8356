//! Stratified assignment of units of rows with one label each.

use std::cmp::Reverse;

use firebrand_dataset::Part;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Row counts that differ by less are equal: 0.8 × 10 is 8 despite rounding.
const EPSILON: f64 = 1e-9;

/// Rows that stay together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    /// Rows per stratum, counting only rows to be assigned.
    pub(crate) counts: Vec<(usize, usize)>,
    /// Rows to be assigned. A multi-label row is in several strata.
    pub(crate) rows: usize,
    /// The split that the unit must be in; `None` if it may be in any.
    pub(crate) fixed: Option<Part>,
}

/// Assigns every unit, whose rows are in one stratum each, to a split.
///
/// `shares` follow [`Part::ALL`] and sum to 1; a split with share 0 stays empty. Larger units are assigned first, the largest
/// first, each where it fits best. Then single rows, usually most, fill the shares exactly: each split gets its share of every
/// stratum rounded up or down, and rounding errors are carried over to the next stratum.
pub(crate) fn assign(units: &[Unit], strata: usize, shares: [f64; 3], rng: &mut ChaCha8Rng) -> Vec<Part> {
    let mut parts: Vec<Part> = units.iter().map(|unit| unit.fixed.unwrap_or(Part::Train)).collect();
    let mut tally = Tally::new(units, strata, shares);
    let (mut single, mut several) = (vec![Vec::new(); strata], Vec::new());
    for (index, unit) in units.iter().enumerate() {
        match (unit.fixed, &unit.counts[..]) {
            (Some(part), _) => tally.add(unit, part),
            (None, [(stratum, 1)]) => single[*stratum].push(index),
            (None, _) => several.push(index),
        }
    }
    several.shuffle(rng);
    several.sort_by_key(|&index| Reverse(units[index].rows));
    for index in several {
        parts[index] = tally.best(&units[index]);
        tally.add(&units[index], parts[index]);
    }
    let mut owed = [0.0; 3];
    for (stratum, mut indices) in single.into_iter().enumerate() {
        indices.shuffle(rng);
        let mut rest = indices.into_iter();
        for (part, count) in Part::ALL.into_iter().zip(tally.fill(stratum, rest.len(), &mut owed)) {
            for index in rest.by_ref().take(count) {
                parts[index] = part;
            }
        }
    }
    parts
}

/// Target and current number of rows of every split, per stratum.
pub(crate) struct Tally {
    shares: [f64; 3],
    wanted: Vec<[f64; 3]>,
    have: Vec<[f64; 3]>,
}

impl Tally {
    pub(crate) fn new(units: &[Unit], strata: usize, shares: [f64; 3]) -> Self {
        let mut wanted = vec![[0.0; 3]; strata];
        for (stratum, rows) in units.iter().flat_map(|unit| &unit.counts) {
            for (wanted, share) in wanted[*stratum].iter_mut().zip(shares) {
                *wanted += *rows as f64 * share;
            }
        }
        Self { shares, wanted, have: vec![[0.0; 3]; strata] }
    }

    pub(crate) fn add(&mut self, unit: &Unit, part: Part) {
        for &(stratum, rows) in &unit.counts {
            self.have[stratum][part as usize] += rows as f64;
        }
    }

    /// The split that brings all counts closest to their targets, by the chi-square distance: deviations are relative to the
    /// target, so that a large unit does not fill a small split.
    pub(crate) fn best(&self, unit: &Unit) -> Part {
        let cost = |part: Part| -> f64 {
            let change = |&(stratum, rows): &(usize, usize)| {
                let (wanted, have) = (self.wanted[stratum][part as usize], self.have[stratum][part as usize]);
                rows as f64 * (2.0 * (have - wanted) + rows as f64) / wanted
            };
            unit.counts.iter().map(change).sum()
        };
        let mut best = Part::Train;
        for part in [Part::Validation, Part::Test] {
            if self.shares[part as usize] > 0.0 && cost(part) < cost(best) - EPSILON {
                best = part;
            }
        }
        best
    }

    /// Distributes `rows` single rows of a stratum; `owed` is the rounding error of each split so far.
    fn fill(&self, stratum: usize, rows: usize, owed: &mut [f64; 3]) -> [usize; 3] {
        let mut exact = [0.0; 3];
        for (part, exact) in exact.iter_mut().enumerate() {
            *exact = (self.wanted[stratum][part] - self.have[stratum][part]).max(0.0);
        }
        // If larger units overfilled a split, the others get that much less.
        let sum: f64 = exact.iter().sum();
        if sum <= 0.0 {
            return [rows, 0, 0];
        }
        let mut counts = [0; 3];
        for (exact, count) in exact.iter_mut().zip(&mut counts) {
            *exact *= rows as f64 / sum;
            *count = (*exact + EPSILON).floor() as usize;
        }
        let mut open: Vec<usize> = (0..3).filter(|&part| exact[part] - counts[part] as f64 > EPSILON).collect();
        let due = |part: usize, counts: &[usize; 3]| exact[part] - counts[part] as f64 + owed[part];
        for _ in 0..rows.saturating_sub(counts.iter().sum()) {
            // Ties go to the earlier split.
            let most = open.iter().copied().enumerate().rev().max_by(|(_, a), (_, b)| {
                let (a, b) = (due(*a, &counts), due(*b, &counts));
                if (a - b).abs() < EPSILON { std::cmp::Ordering::Equal } else { a.total_cmp(&b) }
            });
            let Some((place, part)) = most else { break };
            counts[part] += 1;
            open.remove(place);
        }
        // Rows that no split has room for.
        counts[0] += rows.saturating_sub(counts.iter().sum());
        for part in 0..3 {
            owed[part] += exact[part] - counts[part] as f64;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    const TENTHS: [f64; 3] = [1.0 - 0.1 - 0.1, 0.1, 0.1];

    fn single(stratum: usize) -> Unit {
        Unit { counts: vec![(stratum, 1)], rows: 1, fixed: None }
    }

    fn sizes(units: &[Unit], parts: &[Part]) -> [usize; 3] {
        let mut sizes = [0; 3];
        for (unit, part) in units.iter().zip(parts) {
            sizes[*part as usize] += unit.rows;
        }
        sizes
    }

    fn assigned(units: &[Unit], strata: usize, shares: [f64; 3]) -> [usize; 3] {
        sizes(units, &assign(units, strata, shares, &mut ChaCha8Rng::seed_from_u64(1)))
    }

    #[test]
    fn shares_without_rounding_are_exact() {
        let units = vec![single(0); 30];
        assert_eq!(assigned(&units, 1, TENTHS), [24, 3, 3]);
        assert_eq!(assigned(&units, 1, [0.9, 0.1, 0.0]), [27, 3, 0]);
    }

    #[test]
    fn rounding_errors_carry_over() {
        // 100 labels of five rows: half a row each for validation and for test.
        let units: Vec<Unit> = (0..500).map(|row| single(row % 100)).collect();
        assert_eq!(assigned(&units, 100, TENTHS), [400, 50, 50]);
    }

    #[test]
    fn large_units_go_where_they_fit() {
        let of = |rows| Unit { counts: vec![(0, rows)], rows, fixed: None };
        let mut units = vec![of(64), of(9), of(7)];
        units.extend(vec![single(0); 20]);
        assert_eq!(assigned(&units, 1, TENTHS), [80, 10, 10]);
        let pairs = vec![of(2); 50];
        assert_eq!(assigned(&pairs, 1, TENTHS), [80, 10, 10]);
    }

    #[test]
    fn fixed_units_count_towards_their_split() {
        let mut units = vec![Unit { counts: vec![(0, 40)], rows: 40, fixed: Some(Part::Train) }];
        units.extend(vec![single(0); 60]);
        assert_eq!(assigned(&units, 1, TENTHS), [80, 10, 10]);
        units.truncate(11);
        // Training already has more than its share: the other two splits share the rest.
        assert_eq!(assigned(&units, 1, TENTHS), [40, 5, 5]);
    }
}
