//! Learning-rate schedules.

use serde::{Deserialize, Serialize};

/// The schedule after linear warm-up. Each equals the schedule of the same name in transformers' `get_scheduler`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleShape {
    /// Linear decay to zero.
    #[default]
    Linear,
    /// Cosine decay to zero ([arXiv 1608.03983](https://arxiv.org/abs/1608.03983), without restarts).
    Cosine,
    /// No decay.
    Constant,
    /// Polynomial decay to 1e-7.
    Polynomial,
}

/// Linear warm-up from zero, then one of the [shapes](ScheduleShape).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The schedule after warm-up.
    pub shape: ScheduleShape,
    /// The exponent of [`ScheduleShape::Polynomial`].
    pub power: f64,
    /// The highest learning rate.
    pub peak: f64,
    /// Warm-up steps.
    pub warmup_steps: u64,
    /// All steps, warm-up included.
    pub total_steps: u64,
}

impl Schedule {
    /// Where polynomial decay ends: `lr_end` in transformers.
    const END: f64 = 1e-7;

    /// Linear warm-up, then linear decay to zero.
    pub fn linear(peak: f64, warmup_steps: u64, total_steps: u64) -> Self {
        Self { shape: ScheduleShape::Linear, power: 1.0, peak, warmup_steps, total_steps }
    }

    /// Warm-up steps for a share of all steps, rounded up as transformers does.
    ///
    /// Unlike there, a share of less than one step is no warm-up, and the last step is never part of it: the first warm-up
    /// step has a rate of zero, which in a run of one step would be all of it.
    pub fn warmup_of(ratio: f64, total_steps: u64) -> u64 {
        let steps = ratio * total_steps as f64;
        if steps < 1.0 { 0 } else { (steps.ceil() as u64).min(total_steps - 1) }
    }

    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let left = self.total_steps.saturating_sub(step);
        let share = left as f64 / self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        match self.shape {
            ScheduleShape::Linear => self.peak * share,
            ScheduleShape::Cosine => self.peak * 0.5 * (1.0 - (std::f64::consts::PI * share).cos()),
            ScheduleShape::Constant => self.peak,
            ScheduleShape::Polynomial => {
                // A peak below the end rate stays as it is.
                let end = Self::END.min(self.peak);
                (self.peak - end) * share.powf(self.power) + end
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get_scheduler(NAME, …, 2, 10)` of transformers 5.24 with `lr=3e-3`, and `power=2.0` for the polynomial.
    #[test]
    fn rates_equal_the_reference() {
        use ScheduleShape::{Constant, Cosine, Linear, Polynomial};
        let expected: [(ScheduleShape, [f64; 11]); 4] = [
            (Linear, [0.0, 0.0015, 0.003, 0.002625, 0.00225, 0.001875, 0.0015, 0.001125, 0.00075, 0.000375, 0.0]),
            (
                Cosine,
                [
                    0.0,
                    0.0015,
                    0.003,
                    0.00288581929877,
                    0.00256066017178,
                    0.00207402514855,
                    0.0015,
                    0.000925974851452,
                    0.00043933982822,
                    0.000114180701233,
                    0.0,
                ],
            ),
            (Constant, [0.0, 0.0015, 0.003, 0.003, 0.003, 0.003, 0.003, 0.003, 0.003, 0.003, 0.003]),
            (
                Polynomial,
                [
                    0.0,
                    0.0015,
                    0.003,
                    0.0022968984375,
                    0.00168754375,
                    0.0011719359375,
                    0.000750075,
                    0.0004219609375,
                    0.00018759375,
                    4.69734375e-05,
                    1e-07,
                ],
            ),
        ];
        for (shape, expected) in expected {
            let schedule = Schedule { shape, power: 2.0, peak: 0.003, warmup_steps: 2, total_steps: 10 };
            for (step, expected) in (0..).zip(expected) {
                let found = schedule.rate(step);
                assert!((found - expected).abs() < 1e-14, "{shape:?}, step {step}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak_and_nothing_leaves_the_range() {
        for shape in [ScheduleShape::Linear, ScheduleShape::Cosine, ScheduleShape::Constant, ScheduleShape::Polynomial]
        {
            let schedule = Schedule { shape, power: 3.0, peak: 1.0, warmup_steps: 0, total_steps: 4 };
            assert_eq!(schedule.rate(0), 1.0, "{shape:?}");
            assert!((0..9).all(|step| (0.0..=1.0).contains(&schedule.rate(step))), "{shape:?}");
        }
        // `get_scheduler("polynomial", …, 0, 4)`, `power=3.0`, `lr=3e-3`.
        let schedule =
            Schedule { shape: ScheduleShape::Polynomial, power: 3.0, peak: 3e-3, warmup_steps: 0, total_steps: 4 };
        assert!((schedule.rate(1) - 0.0012656828125).abs() < 1e-14, "{}", schedule.rate(1));
        assert_eq!(Schedule::linear(1.0, 4, 4).rate(4), 0.0);
    }

    #[test]
    fn the_warmup_share_is_rounded_up() {
        assert_eq!([(0.1, 10), (0.1, 11), (0.0, 5)].map(|(ratio, steps)| Schedule::warmup_of(ratio, steps)), [1, 2, 0]);
    }

    /// Every ratio that the configuration takes, for every short run: some step reaches the peak, and the first step of a run
    /// without room for warm-up is not wasted at a rate of zero.
    #[test]
    fn warmup_never_swallows_the_run() {
        for total in 1..40 {
            for ratio in [0.0, 0.06, 0.1, 0.5, 0.9, 0.999] {
                let warmup = Schedule::warmup_of(ratio, total);
                assert!(warmup < total, "{ratio} of {total}");
                let schedule = Schedule::linear(1.0, warmup, total);
                let rates: Vec<f64> = (0..total).map(|step| schedule.rate(step)).collect();
                assert!(rates.contains(&1.0), "{ratio} of {total}: {rates:?}");
            }
        }
        assert_eq!([1, 6, 9, 10].map(|total| Schedule::warmup_of(0.1, total)), [0, 0, 0, 1]);
    }
}
