//! Paired tests: whether one of two systems is better, judged on the same rows.

use serde::Serialize;

use crate::Units;

/// Above this many additions the normal approximation is used; it is close by then.
const MOST_ADDITIONS: u64 = 50_000_000;

/// How a p-value was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The exact McNemar test on the rows that only one of the systems has right.
    ExactMcnemar,
    /// Its generalisation to groups of rows: under the null hypothesis each group's difference may have either sign.
    GroupSignFlip,
    /// Bootstrap over rows or groups, with the same resamples for both systems.
    PairedBootstrap,
}

/// Two-sided p-value of McNemar's test on so many rows that only one of two systems has right (McNemar 1947; exact: the
/// binomial test of the smaller count at one half). 1 where there are none.
pub fn mcnemar(only_first: u64, only_second: u64) -> f64 {
    let (fewer, all) = (only_first.min(only_second), only_first + only_second);
    // Logarithms, because one half to the power of `all` underflows; the last term is the largest.
    let mut logs = Vec::with_capacity(fewer as usize + 1);
    let mut log = -(all as f64) * std::f64::consts::LN_2;
    for count in 0..=fewer {
        logs.push(log);
        log += ((all - count) as f64 / (count + 1) as f64).ln();
    }
    let last = logs.last().copied().unwrap_or_default();
    let sum: f64 = logs.iter().map(|log| (log - last).exp()).sum();
    (2.0 * (last + sum.ln()).exp()).min(1.0)
}

/// Tests the rows that `first` and `second` have right, unit by unit.
pub(crate) fn test_right(first: &[bool], second: &[bool], units: &Units) -> (f64, Test) {
    if !units.are_groups() {
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
        return (mcnemar(only(first, second), only(second, first)), Test::ExactMcnemar);
    }
    let mut differences = vec![0_i64; units.count()];
    for ((&unit, &first), &second) in units.of_row().iter().zip(first).zip(second) {
        differences[unit as usize] += i64::from(first) - i64::from(second);
    }
    (sign_flip(&differences), Test::GroupSignFlip)
}

/// Two-sided p-value of the sum of these differences, if each could as well have the other sign. Exact while that is
/// quick; with differences of one row each it is [`mcnemar`].
pub(crate) fn sign_flip(differences: &[i64]) -> f64 {
    let sizes: Vec<u64> = differences.iter().map(|difference| difference.unsigned_abs()).filter(|d| *d > 0).collect();
    let observed = differences.iter().sum::<i64>().unsigned_abs();
    let span: u64 = sizes.iter().sum();
    if observed == 0 {
        return 1.0;
    }
    if span.saturating_mul(sizes.len() as u64) > MOST_ADDITIONS {
        let deviation = sizes.iter().map(|size| (size * size) as f64).sum::<f64>().sqrt();
        return two_sided_normal(observed as f64 / deviation);
    }
    // `chances[s]`: the chance that the differences with a positive sign add up to `s`.
    let mut chances = vec![0.0; span as usize + 1];
    chances[0] = 1.0;
    let mut reached = 0;
    for size in sizes.iter().map(|&size| size as usize) {
        reached += size;
        for sum in (0..=reached).rev() {
            let with = if sum >= size { chances[sum - size] } else { 0.0 };
            chances[sum] = 0.5 * (chances[sum] + with);
        }
    }
    // The whole sum is `2s - span`; both tails are alike.
    let upper = ((span + observed) / 2) as usize;
    (2.0 * chances[upper..].iter().sum::<f64>()).min(1.0)
}

/// Chance of a normal variable at least `z` standard deviations from its mean (Abramowitz and Stegun 7.1.26; within 2e-7).
fn two_sided_normal(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    series.into_iter().fold(0.0, |sum, factor| (sum + factor) * t) * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6 * (1.0 + expected), "found {found}, expected {expected}");
    }

    /// `scipy.stats.binomtest(k, n, 0.5).pvalue`
    #[test]
    fn mcnemar_is_the_exact_binomial_test() {
        for (first, second, expected) in [
            (2, 8, 0.109_375),
            (8, 2, 0.109_375),
            (5, 15, 0.041_389_465),
            (0, 5, 0.062_5),
            (0, 6, 0.031_25),
            (10, 10, 1.0),
            (0, 0, 1.0),
        ] {
            close(mcnemar(first, second), expected);
        }
        // Far beyond what a power of one half in float64 could hold.
        assert!((0.0..1e-100).contains(&mcnemar(10_000, 20_000)));
        close(mcnemar(50_000, 50_000), 1.0);
        let near = mcnemar(49_500, 50_500);
        assert!((near - two_sided_normal(999.0 / 100_000_f64.sqrt())).abs() < 1e-4, "{near}");
    }

    #[test]
    fn groups_of_one_row_are_mcnemars_test() {
        let differences: Vec<i64> = [vec![1; 15], vec![-1; 5], vec![0; 30]].concat();
        close(sign_flip(&differences), mcnemar(15, 5));
    }

    /// Of 2^3 signs for 3, 2 and 1, only two have a sum of 6 or -6.
    #[test]
    fn a_group_counts_once_however_many_rows_it_has() {
        close(sign_flip(&[3, 2, 1]), 0.25);
        close(sign_flip(&[100]), 1.0);
        close(sign_flip(&[0, 0]), 1.0);
        // Rows that agree with each other are less evidence than the same rows apart.
        let apart = [true; 20];
        let none = [false; 20];
        let together = Units::groups((0..20).map(|row| Some(["a", "b"][row % 2])));
        close(test_right(&apart, &none, &together).0, 0.5);
        assert!(test_right(&apart, &none, &Units::rows(20)).0 < 1e-5);
    }

    #[test]
    fn the_approximation_is_close_to_the_exact_value() {
        let differences: Vec<i64> = (0..900).map(|i| if i % 9 < 4 { -(i % 4) } else { i % 4 }).collect();
        let exact = sign_flip(&differences);
        let observed = differences.iter().sum::<i64>() as f64;
        let deviation = differences.iter().map(|d| (d * d) as f64).sum::<f64>().sqrt();
        assert!((exact - two_sided_normal(observed / deviation)).abs() < 0.01, "{exact}");
        close(two_sided_normal(1.959_963_985), 0.05);
        let many: Vec<i64> = (0..200_000).map(|i| if i % 2 == 0 { 2 } else { -2 }).chain([2; 1000]).collect();
        assert!((0.0..0.05).contains(&sign_flip(&many)));
    }
}
