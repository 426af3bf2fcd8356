//! Confidence intervals: how sure a figure is, measured on so many rows.

use serde::Serialize;

/// An interval for a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The 95 % score interval of a share of `hits` in `rows` (Wilson 1927): unlike the textbook interval it stays within 0
/// and 1 and holds its level on few rows and near the ends.
///
/// With `p = hits / rows`, `n = rows` and `z = 1.96`:
/// `(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)`. No rows: from 0 to 1.
pub fn wilson_95(hits: u64, rows: u64) -> Interval {
    /// The 97.5 % point of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if rows == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let n = rows as f64;
    let share = hits as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    // Rounding must not leave the ends beyond 0 and 1, nor beside the share itself.
    Interval { low: (centre - reach).max(0.0).min(share), high: (centre + reach).min(1.0).max(share) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::assert_close;

    /// `scipy.stats.binomtest(81, 100).proportion_ci(method="wilson")`, then `(10, 10)` and `(0, 5)`; scipy 1.17.1
    #[test]
    fn equals_scipy() {
        for (hits, rows, low, high) in
            [(81, 100, 0.722_211_5, 0.874_852_5), (10, 10, 0.722_467_2, 1.0), (0, 5, 0.0, 0.434_482_5)]
        {
            let interval = wilson_95(hits, rows);
            assert!((interval.low - low).abs() < 5e-7, "{interval:?}");
            assert!((interval.high - high).abs() < 5e-7, "{interval:?}");
        }
        assert_close(wilson_95(0, 0).high, 1.0);
    }
}
