//! Whether one system is better than another, judged on the same rows.

use serde::Serialize;

use crate::bootstrap::{Predictions, Sample, p_value, percentile_95};
use crate::paired::{Test, test_right};
use crate::{Interval, Task, Units};

/// Significance level.
pub const LEVEL: f64 = 0.05;

/// Outcome of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The first is significantly better.
    Better,
    /// The difference is not significant.
    Undecided,
    /// The first is significantly worse.
    Worse,
}

/// The difference of one figure between two systems on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The first system's figure minus the second's.
    pub difference: f64,
    /// Its 95 % interval, from the paired bootstrap.
    pub interval_95: Interval,
    /// Two-sided p-value.
    pub p_value: f64,
    /// How the p-value was computed.
    pub test: Test,
}

/// Two systems' figures compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// By accuracy, or by micro F1 where rows have any number of labels.
    pub verdict: Verdict,
    /// Rows with all labels correct.
    pub accuracy: Difference,
    /// F1, every label weighing the same.
    pub macro_f1: Difference,
    /// F1 of all labels together; only where rows have any number of labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_f1: Option<Difference>,
    /// Rows that only the first system has right.
    pub only_first_right: u64,
    /// Rows that only the second system has right.
    pub only_second_right: u64,
}

/// A system, its figures on the whole split, and its samples of [`resample`](crate::resample), of the same draws.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// Its labels.
    pub predictions: Predictions<'a>,
    /// Its accuracy, macro F1 and micro F1.
    pub figures: [f64; 3],
    /// Its figures on each draw.
    pub samples: &'a [Sample],
}

impl Comparison {
    /// Compares two systems on the same rows.
    pub fn new(task: Task, first: Compared<'_>, second: Compared<'_>, units: &Units) -> Self {
        let (right, other) = (first.predictions.right(), second.predictions.right());
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
        let differences = |figure: fn(&Sample) -> f64| -> Vec<f64> {
            first.samples.iter().zip(second.samples).map(|(a, b)| figure(a) - figure(b)).collect()
        };
        let mut differs = vec![false; units.count()];
        for (row, &unit) in units.of_row().iter().enumerate() {
            differs[unit as usize] |= first.predictions.predicted[row] != second.predictions.predicted[row];
        }
        // No test on so few units can give less: all of them on one side.
        let changed = differs.iter().filter(|differs| **differs).count();
        let least = (2.0 * 0.5_f64.powi(changed.min(1000) as i32)).min(1.0);
        let by_bootstrap = |place: usize, figure: fn(&Sample) -> f64| {
            let difference = first.figures[place] - second.figures[place];
            let drawn = differences(figure);
            let p_value = p_value(&drawn).max(least);
            Difference {
                difference,
                interval_95: percentile_95(drawn, difference),
                p_value,
                test: Test::PairedBootstrap,
            }
        };
        let (p_value, test) = test_right(&right, &other, units);
        let accuracy = Difference { p_value, test, ..by_bootstrap(0, |sample| sample.accuracy) };
        let mut comparison = Self {
            verdict: Verdict::Undecided,
            accuracy,
            macro_f1: by_bootstrap(1, |sample| sample.macro_f1),
            micro_f1: (task == Task::MultiLabel).then(|| by_bootstrap(2, |sample| sample.micro_f1)),
            only_first_right: only(&right, &other),
            only_second_right: only(&other, &right),
        };
        comparison.verdict = comparison.headline().verdict();
        comparison
    }

    /// The difference that decides the verdict.
    pub fn headline(&self) -> Difference {
        self.micro_f1.unwrap_or(self.accuracy)
    }
}

impl Difference {
    fn verdict(&self) -> Verdict {
        match self.difference {
            _ if self.p_value >= LEVEL => Verdict::Undecided,
            positive if positive > 0.0 => Verdict::Better,
            negative if negative < 0.0 => Verdict::Worse,
            _ => Verdict::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample;

    fn compare(task: Task, truth: &[Vec<u32>], first: &[Vec<u32>], second: &[Vec<u32>], units: &Units) -> Comparison {
        let predictions = [first, second].map(|predicted| Predictions { truth, predicted, losses: &[], classes: 2 });
        let samples = resample(&predictions, units);
        let compared = [0, 1].map(|system| {
            let figures = task.figures::<[f32; 2]>(truth, predictions[system].predicted, None, 2).unwrap();
            Compared {
                predictions: predictions[system],
                figures: [figures.accuracy, figures.macro_f1, figures.averages.micro.f1.unwrap_or_default()],
                samples: &samples[system],
            }
        });
        Comparison::new(task, compared[0], compared[1], units)
    }

    fn labels(rows: usize, wrong: impl Fn(usize) -> bool) -> [Vec<Vec<u32>>; 2] {
        let truth: Vec<Vec<u32>> = (0..rows).map(|row| vec![row as u32 % 2]).collect();
        let predicted = (0..rows).map(|row| vec![(row as u32 + u32::from(wrong(row))) % 2]).collect();
        [truth, predicted]
    }

    #[test]
    fn rows_that_only_one_has_right_decide() {
        let [truth, first] = labels(100, |row| row < 5);
        let [_, second] = labels(100, |row| (5..20).contains(&row));
        let units = Units::rows(100);
        let found = compare(Task::SingleLabel, &truth, &first, &second, &units);
        assert_eq!((found.only_first_right, found.only_second_right, found.verdict), (15, 5, Verdict::Better));
        assert!((found.accuracy.p_value - 0.041_389_465).abs() < 1e-6);
        assert!((found.accuracy.difference - 0.1).abs() < 1e-12);
        assert!(found.accuracy.interval_95.low > 0.0 && found.accuracy.interval_95.high < 0.2);
        assert_eq!((found.accuracy.test, found.macro_f1.test), (Test::ExactMcnemar, Test::PairedBootstrap));
        let turned = compare(Task::SingleLabel, &truth, &second, &first, &units);
        assert_eq!(turned.verdict, Verdict::Worse);
        let same = compare(Task::SingleLabel, &truth, &first, &first, &units);
        assert_eq!((same.verdict, same.accuracy.p_value, same.macro_f1.p_value), (Verdict::Undecided, 1.0, 1.0));
    }

    #[test]
    fn rows_of_one_group_are_one_piece_of_evidence() {
        let [truth, first] = labels(60, |_| false);
        let [_, second] = labels(60, |row| row < 20);
        let alone = compare(Task::SingleLabel, &truth, &first, &second, &Units::rows(60));
        assert_eq!(alone.verdict, Verdict::Better);
        let names: Vec<String> = (0..60).map(|row| (row / 20).to_string()).collect();
        let groups = Units::groups(names.iter().map(|name| Some(name.as_str())));
        let grouped = compare(Task::SingleLabel, &truth, &first, &second, &groups);
        assert_eq!((grouped.verdict, grouped.accuracy.test), (Verdict::Undecided, Test::GroupSignFlip));
        assert!(grouped.accuracy.interval_95.low <= 0.0);
    }

    #[test]
    fn several_labels_are_judged_by_micro_f1() {
        let truth: Vec<Vec<u32>> = (0..80).map(|row| if row % 2 == 0 { vec![0, 1] } else { vec![] }).collect();
        let half: Vec<Vec<u32>> = truth.iter().map(|labels| labels.iter().copied().take(1).collect()).collect();
        let found = compare(Task::MultiLabel, &truth, &truth, &half, &Units::rows(80));
        let micro = found.micro_f1.unwrap();
        assert_eq!((found.verdict, found.headline()), (Verdict::Better, micro));
        assert!((micro.difference - 1.0 / 3.0).abs() < 1e-12);
    }
}
