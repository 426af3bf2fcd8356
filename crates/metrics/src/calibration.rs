//! Whether a stated confidence is the share of right answers.

use serde::Serialize;

use crate::{MetricsError, check_probabilities, most_likely};

/// Rows whose confidence (the highest probability) falls within `(lower, upper]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower end, outside the bin.
    pub lower: f64,
    /// Upper end, inside the bin.
    pub upper: f64,
    /// How many rows.
    pub rows: u64,
    /// Mean confidence; 0 without rows.
    pub confidence: f64,
    /// Share of right answers; 0 without rows.
    pub accuracy: f64,
}

/// Confidence against accuracy, in bins of equal width (Guo et al. 2017, arXiv 1706.04599).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: mean of `|accuracy − confidence|` over bins, weighted by their rows.
    pub expected_error: f64,
    /// Largest `|accuracy − confidence|` of a bin with rows.
    pub largest_error: f64,
    /// From the lowest confidence to the highest.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Bins that the literature uses.
    pub const BINS: usize = 15;

    /// Measures in [`BINS`](Self::BINS) bins.
    ///
    /// # Errors
    /// Those of [`check_probabilities`].
    pub fn new<R: AsRef<[f32]>>(truth: &[u32], probabilities: &[R], classes: usize) -> Result<Self, MetricsError> {
        check_probabilities(truth, probabilities, classes)?;
        let mut sums = [(0_u64, 0.0, 0_u64); Self::BINS];
        for (&truth, row) in truth.iter().zip(probabilities) {
            // Checked above: there is a most likely class, and it has an entry.
            let Some(class) = most_likely(row.as_ref()) else { continue };
            let confidence = f64::from(row.as_ref()[class as usize]);
            let bin = ((confidence * Self::BINS as f64).ceil() as usize).clamp(1, Self::BINS) - 1;
            let (rows, confidences, right) = &mut sums[bin];
            *rows += 1;
            *confidences += confidence;
            *right += u64::from(class == truth);
        }
        let width = 1.0 / Self::BINS as f64;
        let bins = sums.iter().enumerate().map(|(index, &(rows, confidences, right))| {
            let count = rows.max(1) as f64;
            Bin {
                lower: index as f64 * width,
                upper: (index + 1) as f64 * width,
                rows,
                confidence: confidences / count,
                accuracy: right as f64 / count,
            }
        });
        let bins: Vec<Bin> = bins.collect();
        let gap = |bin: &Bin| (bin.accuracy - bin.confidence).abs();
        Ok(Self {
            expected_error: bins.iter().map(|bin| bin.rows as f64 * gap(bin)).sum::<f64>() / truth.len() as f64,
            largest_error: bins.iter().filter(|bin| bin.rows > 0).map(gap).fold(0.0, f64::max),
            bins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PROBABILITIES, TRUTH, assert_close};

    /// By hand, confidence → right: .7 ✓, .6 ✓, .5 ✗, .8 ✓, .5 ✓, .4 ✗, .9 ✓, .6 ✓, .4 ✗, .9 ✓. Bins of 1/15: the two
    /// of .4 are in (.333, .4] or, as .4 in float32 is a little more, in (.4, .467]: gap .4. The two of .5: accuracy .5,
    /// gap 0. The two of .6: gap .4. .7: gap .3. .8: gap .2. The two of .9: gap .1.
    /// Sum: (2·.4 + 0 + 2·.4 + .3 + .2 + 2·.1) / 10 = .23.
    #[test]
    fn equal_to_the_sum_by_hand() {
        let calibration = Calibration::new(&TRUTH, &PROBABILITIES, CLASSES).unwrap();
        assert_close(calibration.expected_error, 0.23);
        assert_close(calibration.largest_error, 0.4);
        assert_eq!(calibration.bins.iter().map(|bin| bin.rows).sum::<u64>(), 10);
        assert_eq!(calibration.bins[13].rows, 2);
        assert_close(calibration.bins[13].confidence, 0.9);
    }

    #[test]
    fn the_ends_fall_into_the_outer_bins() {
        let calibration = Calibration::new(&[0, 1], &[[1.0_f32, 0.0], [1.0, 0.0]], 2).unwrap();
        assert_eq!(calibration.bins[14].rows, 2);
        assert_close(calibration.bins[14].upper, 1.0);
        assert_close(calibration.expected_error, 0.5);
    }
}
