//! The bootstrap: how figures would vary on other samples of rows (Efron 1979).
//!
//! Units (rows, or groups of rows) are drawn with replacement, as many as there are. All systems are measured on the same
//! draws, so that their differences are paired.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{Interval, Units};

/// Number of resamples.
pub const RESAMPLES: usize = 1000;

/// Fixed, so that every run has the same intervals.
const SEED: u64 = 42;

/// A system's predictions and the true labels.
#[derive(Debug, Clone, Copy)]
pub struct Predictions<'a> {
    /// The true labels of each row.
    pub truth: &'a [Vec<u32>],
    /// The labels that the system assigned to each row.
    pub predicted: &'a [Vec<u32>],
    /// The log loss of each row; empty where it is not known.
    pub losses: &'a [f64],
    /// How many labels there are.
    pub classes: usize,
}

impl Predictions<'_> {
    /// Whether all labels of each row are right.
    pub fn right(&self) -> Vec<bool> {
        self.truth.iter().zip(self.predicted).map(|(truth, predicted)| same_labels(truth, predicted)).collect()
    }
}

fn same_labels(truth: &[u32], predicted: &[u32]) -> bool {
    truth.len() == predicted.len() && truth.iter().all(|label| predicted.contains(label))
}

/// The figures of one resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Share of rows with all labels correct.
    pub accuracy: f64,
    /// F1, every label weighing the same; labels that the draw does not have are left out.
    pub macro_f1: f64,
    /// F1 of all labels of all rows together.
    pub micro_f1: f64,
    /// Share of the decisions about a label of a row that are wrong.
    pub hamming_loss: f64,
    /// Mean log loss; 0 where the rows' losses are not known.
    pub log_loss: f64,
}

/// Draws [`RESAMPLES`] resamples and evaluates every system on each: a list of samples per system.
pub fn resample(systems: &[Predictions<'_>], units: &Units) -> Vec<Vec<Sample>> {
    let whole = vec![1; units.count()];
    let absent: Vec<usize> = systems.iter().map(|system| Tally::new(system, units, &whole).undefined()).collect();
    let draw = |number: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        random.set_stream(number as u64);
        let mut times = vec![0_u32; units.count()];
        (0..units.count()).for_each(|_| times[random.random_range(0..units.count())] += 1);
        let measure = |(system, &absent)| Tally::new(system, units, &times).sample(absent);
        systems.iter().zip(&absent).map(measure).collect::<Vec<Sample>>()
    };
    let draws: Vec<Vec<Sample>> = (0..RESAMPLES).into_par_iter().map(draw).collect();
    (0..systems.len()).map(|system| draws.iter().map(|draw| draw[system]).collect()).collect()
}

/// The percentile interval of these values, extended to hold the figure itself.
pub fn percentile_95(values: impl IntoIterator<Item = f64>, figure: f64) -> Interval {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * (values.len().max(1) - 1) as f64).round() as usize).copied();
    let (low, high) = (at(0.025).unwrap_or(figure), at(0.975).unwrap_or(figure));
    Interval { low: low.min(figure), high: high.max(figure) }
}

/// Two-sided p-value of differences between two systems: how often they fall on the other side of 0.
pub(crate) fn p_value(differences: &[f64]) -> f64 {
    let count = |on_side: fn(&f64) -> bool| differences.iter().filter(|difference| on_side(difference)).count() + 1;
    let fewer = count(|difference| *difference <= 0.0).min(count(|difference| *difference >= 0.0));
    (2.0 * fewer as f64 / (differences.len() + 1) as f64).min(1.0)
}

/// Counts over the rows of a resample.
struct Tally {
    rows: u64,
    right: u64,
    wrong_decisions: u64,
    loss: f64,
    /// Per label, the numerator and the denominator of F1: true positives twice, and rows of it plus rows given it.
    f1: Vec<(u64, u64)>,
}

impl Tally {
    fn new(system: &Predictions<'_>, units: &Units, times: &[u32]) -> Self {
        let mut tally = Self { rows: 0, right: 0, wrong_decisions: 0, loss: 0.0, f1: vec![(0, 0); system.classes] };
        for (row, &unit) in units.of_row().iter().enumerate() {
            let times = u64::from(times[unit as usize]);
            if times == 0 {
                continue;
            }
            let (truth, predicted) = (&system.truth[row], &system.predicted[row]);
            let mut hits = 0;
            for label in truth {
                let hit = u64::from(predicted.contains(label));
                hits += hit;
                let (twice_hits, all) = &mut tally.f1[*label as usize];
                *twice_hits += 2 * hit * times;
                *all += times;
            }
            predicted.iter().for_each(|label| tally.f1[*label as usize].1 += times);
            let wrong = (truth.len() + predicted.len()) as u64 - 2 * hits;
            tally.rows += times;
            tally.right += if wrong == 0 { times } else { 0 };
            tally.wrong_decisions += wrong * times;
            tally.loss += system.losses.get(row).copied().unwrap_or_default() * times as f64;
        }
        tally
    }

    /// Labels that no row has and no row is given.
    fn undefined(&self) -> usize {
        self.f1.iter().filter(|(_, all)| *all == 0).count()
    }

    /// The figures; `absent` labels are undefined on the whole split, where they count as 0.
    fn sample(&self, absent: usize) -> Sample {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let rows = self.rows as f64;
        let defined = self.f1.iter().filter(|(_, all)| *all > 0);
        let sum: f64 = defined.map(|&(twice_hits, all)| twice_hits as f64 / all as f64).sum();
        let (twice_hits, all) = self.f1.iter().fold((0, 0), |sum, label| (sum.0 + label.0, sum.1 + label.1));
        Sample {
            accuracy: share(self.right as f64, rows),
            macro_f1: share(sum, (self.f1.len() - self.undefined() + absent) as f64),
            micro_f1: share(twice_hits as f64, all as f64),
            hamming_loss: share(self.wrong_decisions as f64, rows * self.f1.len() as f64),
            log_loss: share(self.loss, rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLASSES, PREDICTED, TRUTH, assert_close};

    fn lists(labels: &[u32]) -> Vec<Vec<u32>> {
        labels.iter().map(|&label| vec![label]).collect()
    }

    #[test]
    fn all_rows_once_give_the_plain_figures() {
        let (truth, predicted, losses) = (lists(&TRUTH), lists(&PREDICTED), [0.5; 10]);
        let system = Predictions { truth: &truth, predicted: &predicted, losses: &losses, classes: CLASSES };
        let sample = Tally::new(&system, &Units::rows(10), &[1; 10]).sample(0);
        assert_close(sample.accuracy, 0.7);
        assert_close(sample.macro_f1, 0.666_666_666_7);
        assert_close(sample.micro_f1, 0.7);
        assert_close(sample.hamming_loss, 0.2);
        assert_close(sample.log_loss, 0.5);
    }

    #[test]
    fn labels_missing_from_a_draw_are_left_out_and_labels_missing_from_the_split_count_as_zero() {
        let (truth, predicted) = (lists(&[0, 0, 1]), lists(&[0, 0, 1]));
        let system = Predictions { truth: &truth, predicted: &predicted, losses: &[], classes: 3 };
        let absent = Tally::new(&system, &Units::rows(3), &[1; 3]).undefined();
        assert_eq!(absent, 1);
        assert_close(Tally::new(&system, &Units::rows(3), &[2, 1, 0]).sample(absent).macro_f1, 0.5);
        assert_close(Tally::new(&system, &Units::rows(3), &[1, 1, 1]).sample(absent).macro_f1, 2.0 / 3.0);
    }

    /// 400 rows, of which 80 % are right: the standard error is √(0.8 · 0.2 / 400) = 0.02.
    #[test]
    fn the_interval_is_about_two_standard_errors_wide_and_the_same_every_time() {
        let truth = lists(&[0; 400]);
        let predicted: Vec<Vec<u32>> = (0..400).map(|row| vec![u32::from(row % 5 == 0)]).collect();
        let system = Predictions { truth: &truth, predicted: &predicted, losses: &[], classes: 2 };
        let accuracies = |units: &Units| -> Vec<f64> {
            resample(&[system], units)[0].iter().map(|sample| sample.accuracy).collect()
        };
        let rows = accuracies(&Units::rows(400));
        let interval = percentile_95(rows.clone(), 0.8);
        assert!((interval.low - 0.761).abs() < 0.008 && (interval.high - 0.839).abs() < 0.008, "{interval:?}");
        assert_eq!(rows, accuracies(&Units::rows(400)));
        // Groups of 50 rows that are all alike: eight units only.
        let alike: Vec<Vec<u32>> = (0..400).map(|row| vec![u32::from(row / 50 == 0)]).collect();
        let system = Predictions { predicted: &alike, ..system };
        let names: Vec<String> = (0..400).map(|row| (row / 50).to_string()).collect();
        let groups = Units::groups(names.iter().map(|name| Some(name.as_str())));
        let samples = resample(&[system], &groups);
        let wide = percentile_95(samples[0].iter().map(|sample| sample.accuracy), 0.875);
        assert!(wide.low <= 0.65 && wide.high == 1.0, "{wide:?}");
    }

    #[test]
    fn the_p_value_is_the_share_on_the_other_side_of_zero_twice() {
        let differences: Vec<f64> = (0..999).map(|i| f64::from(i) - 9.5).collect();
        assert_close(p_value(&differences), 2.0 * 11.0 / 1000.0);
        assert_close(p_value(&[0.0; 999]), 1.0);
    }
}
