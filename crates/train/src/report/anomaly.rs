//! Training that diverges: how that is noticed, and the rows it happened on.

use std::path::PathBuf;

use firebrand_pipeline::{Error, Result, StageIo};
use serde::{Deserialize, Serialize};

/// The file with the rows.
const FILE: &str = "anomaly.json";

/// `anomaly.json`: the step in which training broke down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    /// The step, counted from 1.
    pub step: u64,
    /// What went wrong.
    pub problem: String,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Ids of the step's rows in the training split.
    pub rows: Vec<u64>,
}

impl Anomaly {
    /// Writes the file, and returns the error that names it.
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
                "if it happens in the first steps at any rate, the pretrained weights may be damaged: fetch them again",
            )
    }

    /// Removes the file of an earlier attempt.
    pub(crate) fn forget(io: &StageIo) -> Result<()> {
        let path: PathBuf = io.output(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path, &error)),
            _ => Ok(()),
        }
    }
}

/// The running mean of the loss. It is part of checkpoints, so that a resumed run judges as a straight one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossWatch {
    /// Weighted sum of the losses.
    sum: f64,
    /// Sum of their weights.
    weight: f64,
}

impl LossWatch {
    /// Decay of the weights from step to step.
    const KEPT: f64 = 0.98;

    /// Adds a step's loss. Returns a description if it is more than `factor` times the running mean; 0 turns that off.
    ///
    /// A mean below `guess`, the loss of guessing, counts as `guess`: a model that has learned its rows almost perfectly meets a
    /// hard one now and then, which is not divergence.
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
    fn divergence_is_distinguished_from_noise() {
        let mut watch = LossWatch::default();
        for step in 0..50 {
            assert_eq!(watch.add(1.0 + 0.5 * f64::from(step % 3), 4.0, 0.7), None);
        }
        let mut off = watch;
        assert_eq!(off.add(50.0, 0.0, 0.7), None);
        assert_eq!(watch.clone().add(5.9, 4.0, 0.7), None);
        let found = watch.add(6.1, 4.0, 0.7).unwrap();
        assert!(found.contains("6.100") && found.contains("running mean of 1.491"), "{found}");
        // After everything is learned, twice the loss of guessing is still not divergence.
        let mut learned = LossWatch::default();
        learned.add(0.001, 4.0, 0.7);
        assert_eq!(learned.add(1.4, 4.0, 0.7), None);
        assert!(learned.add(2.9, 4.0, 0.7).is_some());
    }
}
