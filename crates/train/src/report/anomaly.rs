//! Training that breaks down: noticed, and the rows it happened on written down.

use std::path::PathBuf;

use firebrand_pipeline::{Error, Result, StageIo};
use serde::{Deserialize, Serialize};

/// The file that names the rows.
const FILE: &str = "anomaly.json";

/// `anomaly.json`: where training broke down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    /// The step, counted from 1.
    pub step: u64,
    /// What was found.
    pub problem: String,
    /// Of the step.
    pub learning_rate: f64,
    /// Ids of the step's rows in the training part.
    pub rows: Vec<u64>,
}

impl Anomaly {
    /// Writes the file, and makes the error that names it.
    pub(crate) fn report(&self, io: &StageIo) -> Error {
        let path = io.output(FILE);
        let ids: Vec<String> = self.rows.iter().take(8).map(u64::to_string).collect();
        let more = if self.rows.len() > ids.len() { ", …" } else { "" };
        let error = Error::other(format!(
            "training broke down in step {}: {} (learning rate {:.3e}, training rows {}{more})",
            self.step,
            self.problem,
            self.learning_rate,
            ids.join(", ")
        ));
        let error = match io.write_json(FILE, self) {
            Ok(()) => error.hint(format!("the step's rows are listed in {}", path.display())),
            Err(other) => error.hint(format!("the step's rows could not be listed: {}", other.message())),
        };
        error
            .hint("lower `train.learning_rate`, or raise `train.warmup_ratio`, and keep `train.max_grad_norm` at 1")
            .hint(
                "if it happens in the first steps whatever the rate, look at the pretrained weights: fetch them again",
            )
    }

    /// Removes what an earlier attempt left.
    pub(crate) fn forget(io: &StageIo) -> Result<()> {
        let path: PathBuf = io.output(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path, &error)),
            _ => Ok(()),
        }
    }
}

/// Watches the losses of the steps: kept in a checkpoint, so that a resumed run judges as a straight one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossWatch {
    /// The running mean, not yet divided by its weight.
    sum: f64,
    /// The weight of the losses in it.
    weight: f64,
}

impl LossWatch {
    /// What a step of before weighs after one more.
    const KEPT: f64 = 0.98;

    /// Takes in a step's loss; says what is wrong when it is more than `factor` times the running mean (0: never).
    ///
    /// A mean below `guess`, the loss of guessing evenly, counts as that: a model that has all but learned its rows meets a
    /// hard one now and then, which is no breakdown.
    pub(crate) fn add(&mut self, loss: f64, factor: f64, guess: f64) -> Option<String> {
        let mean = if self.weight > 0.0 { self.sum / self.weight } else { loss };
        self.sum = self.sum * Self::KEPT + loss * (1.0 - Self::KEPT);
        self.weight = self.weight * Self::KEPT + (1.0 - Self::KEPT);
        let most = factor * mean.max(guess);
        (factor > 0.0 && loss > most).then(|| {
            format!("the loss is {loss:.3}, more than `train.divergence_factor` = {factor} times its running mean of {mean:.3}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_is_told_from_noise() {
        let mut watch = LossWatch::default();
        for step in 0..50 {
            assert_eq!(watch.add(1.0 + 0.5 * f64::from(step % 3), 4.0, 0.7), None);
        }
        let mut off = watch;
        assert_eq!(off.add(50.0, 0.0, 0.7), None);
        assert_eq!(watch.clone().add(5.9, 4.0, 0.7), None);
        let found = watch.add(6.1, 4.0, 0.7).unwrap();
        assert!(found.contains("6.100") && found.contains("running mean of 1.491"), "{found}");
        // After learning everything, twice the loss of guessing is still no breakdown.
        let mut learned = LossWatch::default();
        learned.add(0.001, 4.0, 0.7);
        assert_eq!(learned.add(1.4, 4.0, 0.7), None);
        assert!(learned.add(2.9, 4.0, 0.7).is_some());
    }
}
