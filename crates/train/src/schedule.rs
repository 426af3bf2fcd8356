//! How the learning rate moves.

/// A linear climb from zero, then a linear fall to zero: `get_linear_schedule_with_warmup` of transformers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearSchedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the climb.
    pub warmup_steps: u64,
    /// All steps.
    pub total_steps: u64,
}

impl LinearSchedule {
    /// A schedule whose climb is a share of all steps, rounded up as the reference does.
    pub fn new(peak: f64, warmup_ratio: f64, total_steps: u64) -> Self {
        Self { peak, warmup_steps: (warmup_ratio * total_steps as f64).ceil() as u64, total_steps }
    }

    /// The rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let left = self.total_steps.saturating_sub(step);
        self.peak * left as f64 / (self.total_steps - self.warmup_steps).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_climbs_and_falls_and_never_leaves_its_range() {
        let schedule = LinearSchedule::new(0.003, 0.2, 10);
        assert_eq!(schedule.warmup_steps, 2);
        assert_eq!([0, 1, 2, 3, 10, 11].map(|step| schedule.rate(step)), [0.0, 0.0015, 0.003, 0.002625, 0.0, 0.0]);
        let all_warmup = LinearSchedule { peak: 1.0, warmup_steps: 4, total_steps: 4 };
        assert_eq!(all_warmup.rate(4), 0.0);
    }
}
