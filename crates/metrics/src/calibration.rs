//! Calibration: whether confidence matches accuracy.

use serde::Serialize;

use crate::ranking::by_class;
use crate::{MetricsError, check_probabilities, most_likely};

/// Answers whose confidence falls within `(lower, upper]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower end, outside the bin.
    pub lower: f64,
    /// Upper end, inside the bin.
    pub upper: f64,
    /// How many answers: one per row, or, with any number of classes per row, one per row and class.
    pub rows: u64,
    /// Mean confidence; `None` when the bin is empty.
    pub confidence: Option<f64>,
    /// Share of right answers; `None` when the bin is empty.
    pub accuracy: Option<f64>,
}

impl Bin {
    /// `|accuracy − confidence|`; 0 when the bin is empty, which weighs nothing.
    fn gap(&self) -> f64 {
        self.confidence.zip(self.accuracy).map_or(0.0, |(confidence, accuracy)| (accuracy - confidence).abs())
    }
}

/// Calibration of one class, where rows have any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClassCalibration {
    /// Expected calibration error of the class's probability.
    pub expected_error: f64,
    /// Mean probability of the class over all rows.
    pub mean_probability: f64,
    /// Share of all rows that have the class.
    pub share: f64,
}

/// Confidence against accuracy, in bins of equal width (Guo et al. 2017, arXiv 1706.04599).
///
/// With one class per row the confidence is the highest probability, and an answer is right when that class is. With any
/// number of classes per row it is the probability of each class, and "right" means that the row has it; answers of all
/// classes share the bins, while the errors are measured per class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: mean of `|accuracy − confidence|` over bins, weighted by their rows. With any number of
    /// classes per row, the mean of the classes' errors.
    pub expected_error: f64,
    /// Largest `|accuracy − confidence|` of a bin that is not empty.
    pub largest_error: f64,
    /// From the lowest confidence to the highest.
    pub bins: Vec<Bin>,
    /// One entry per class; only with any number of classes per row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassCalibration>>,
}

/// Running sums of a bin.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    rows: u64,
    confidence: f64,
    right: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bins([Sums; Calibration::BINS]);

impl Bins {
    fn add(&mut self, confidence: f32, right: bool) {
        let confidence = f64::from(confidence);
        let bin = ((confidence * Calibration::BINS as f64).ceil() as usize).clamp(1, Calibration::BINS) - 1;
        let sums = &mut self.0[bin];
        sums.rows += 1;
        sums.confidence += confidence;
        sums.right += u64::from(right);
    }

    fn merge(&mut self, other: &Self) {
        for (sums, other) in self.0.iter_mut().zip(&other.0) {
            sums.rows += other.rows;
            sums.confidence += other.confidence;
            sums.right += other.right;
        }
    }

    fn bins(&self) -> Vec<Bin> {
        let width = 1.0 / Calibration::BINS as f64;
        let bin = |(index, sums): (usize, &Sums)| {
            let share = |sum: f64| (sums.rows > 0).then(|| sum / sums.rows as f64);
            Bin {
                lower: index as f64 * width,
                upper: (index + 1) as f64 * width,
                rows: sums.rows,
                confidence: share(sums.confidence),
                accuracy: share(sums.right as f64),
            }
        };
        self.0.iter().enumerate().map(bin).collect()
    }
}

/// Mean gap of the bins, weighted by their rows.
fn expected_error(bins: &[Bin]) -> f64 {
    let rows: u64 = bins.iter().map(|bin| bin.rows).sum();
    bins.iter().map(|bin| bin.rows as f64 * bin.gap()).sum::<f64>() / rows.max(1) as f64
}

impl Calibration {
    /// Bins that the literature uses.
    pub const BINS: usize = 15;

    /// Measures rows with one class each in [`BINS`](Self::BINS) bins.
    ///
    /// # Errors
    /// Those of [`check_probabilities`].
    pub fn new<R: AsRef<[f32]>>(truth: &[u32], probabilities: &[R], classes: usize) -> Result<Self, MetricsError> {
        check_probabilities(truth, probabilities, classes)?;
        let mut sums = Bins::default();
        for (&truth, row) in truth.iter().zip(probabilities) {
            // Checked above: there is a most likely class, and it has an entry.
            let Some(class) = most_likely(row.as_ref()) else { continue };
            sums.add(row.as_ref()[class as usize], class == truth);
        }
        let bins = sums.bins();
        Ok(Self { expected_error: expected_error(&bins), largest_error: largest_error(&bins), bins, classes: None })
    }

    /// Measures rows with any number of classes each: `rows_of` lists the rows of every class, and each row has a valid
    /// probability for each class.
    pub(crate) fn of_label_sets<R: AsRef<[f32]> + Sync>(rows_of: &[Vec<u32>], probabilities: &[R]) -> Self {
        let rows = probabilities.len() as f64;
        let measured: Vec<(Bins, ClassCalibration)> = by_class(probabilities, rows_of.len(), |class, scores| {
            let mut sums = Bins::default();
            let mut positives = rows_of[class].iter().peekable();
            for (row, &score) in (0..).zip(scores) {
                sums.add(score, positives.next_if(|positive| **positive == row).is_some());
            }
            let class = ClassCalibration {
                expected_error: expected_error(&sums.bins()),
                mean_probability: scores.iter().copied().map(f64::from).sum::<f64>() / rows,
                share: rows_of[class].len() as f64 / rows,
            };
            (sums, class)
        });
        let mut all = Bins::default();
        measured.iter().for_each(|(sums, _)| all.merge(sums));
        let bins = all.bins();
        let classes: Vec<ClassCalibration> = measured.into_iter().map(|(_, class)| class).collect();
        Self {
            expected_error: classes.iter().map(|class| class.expected_error).sum::<f64>() / classes.len() as f64,
            largest_error: largest_error(&bins),
            bins,
            classes: Some(classes),
        }
    }
}

fn largest_error(bins: &[Bin]) -> f64 {
    bins.iter().map(Bin::gap).fold(0.0, f64::max)
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
        assert_close(calibration.bins[13].confidence.unwrap(), 0.9);
        assert_eq!((calibration.bins[0].rows, calibration.bins[0].confidence), (0, None));
    }

    #[test]
    fn the_ends_fall_into_the_outer_bins() {
        let calibration = Calibration::new(&[0, 1], &[[1.0_f32, 0.0], [1.0, 0.0]], 2).unwrap();
        assert_eq!(calibration.bins[14].rows, 2);
        assert_close(calibration.bins[14].upper, 1.0);
        assert_close(calibration.expected_error, 0.5);
    }

    /// By hand. Class 0, which rows 0 and 2 have: .9 and .9 (one bin): confidence .9, share .5, gap .4; .2: gap .8; .1: gap
    /// .1; so (2·.4 + .8 + .1) / 4 = .425. Class 1, which no row has: .1 four times: gap .1.
    #[test]
    fn each_class_is_measured_by_itself() {
        let probabilities = [[0.9_f32, 0.1], [0.9, 0.1], [0.2, 0.1], [0.1, 0.1]];
        let calibration = Calibration::of_label_sets(&[vec![0, 2], vec![]], &probabilities);
        let classes = calibration.classes.unwrap();
        assert_close(classes[0].expected_error, 0.425);
        assert_close(classes[0].share, 0.5);
        assert_close(classes[0].mean_probability, 0.525);
        assert_close(classes[1].expected_error, 0.1);
        assert_close(calibration.expected_error, 0.2625);
        assert_eq!(calibration.bins.iter().map(|bin| bin.rows).sum::<u64>(), 8);
    }
}
