//! The training curves and summary, from `metrics.jsonl` and `summary.json`.
//!
//! A custom train stage may write other lines and keys; unknown ones are ignored.

use std::path::Path;

use firebrand_pipeline::{Error, Result, read_json};
use serde::Deserialize;
use serde_json::Value;

/// Curves as (epoch, value) pairs, and facts from the summary.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Training {
    /// Mean training loss, in nats.
    pub(crate) loss: Vec<(f64, f64)>,
    /// Mean loss over the validation split, in nats.
    pub(crate) validation_loss: Vec<(f64, f64)>,
    /// Accuracy on the validation split.
    pub(crate) validation_accuracy: Vec<(f64, f64)>,
    /// Micro F1 on the validation split; multi-label runs only.
    pub(crate) validation_micro_f1: Vec<(f64, f64)>,
    /// Optimiser steps.
    pub(crate) steps: Option<u64>,
    /// Whether training ended before the configured epochs.
    pub(crate) stopped_early: Option<bool>,
    /// The epoch of the best validation.
    pub(crate) best_epoch: Option<f64>,
    /// Whether the model has the weights of the best epoch.
    pub(crate) restored_best: Option<bool>,
    /// The messages of the train stage's findings.
    pub(crate) findings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Line {
    step: Option<f64>,
    epoch: Option<f64>,
    loss: Option<f64>,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
    validation_micro_f1: Option<f64>,
}

impl Training {
    /// Reads both files. The log is required; lines that do not parse are skipped.
    ///
    /// # Errors
    /// When a file cannot be read, or the summary is not JSON.
    pub(crate) fn read(log: &Path, summary: Option<&Path>) -> Result<Self> {
        let text = std::fs::read_to_string(log).map_err(|error| Error::io("read", log, &error))?;
        let mut training = Self::default();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            training.add(&line);
        }
        if let Some(summary) = summary {
            let summary: Value = read_json(summary)?;
            training.steps = summary["steps"].as_u64();
            training.stopped_early = summary["stopped_early"].as_bool();
            training.best_epoch = summary["best"]["epoch"].as_f64();
            training.restored_best = summary["restored_best"].as_bool();
            let findings = summary["findings"].as_array().into_iter().flatten();
            training.findings = findings.filter_map(|finding| Some(finding["message"].as_str()?.to_owned())).collect();
        }
        Ok(training)
    }

    fn add(&mut self, line: &Line) {
        // Without an epoch, steps serve as the axis.
        let Some(at) = line.epoch.or(line.step).filter(|at| at.is_finite()) else { return };
        for (curve, value) in [
            (&mut self.loss, line.loss),
            (&mut self.validation_loss, line.validation_loss),
            (&mut self.validation_accuracy, line.validation_accuracy),
            (&mut self.validation_micro_f1, line.validation_micro_f1),
        ] {
            curve.extend(value.filter(|value| value.is_finite()).map(|value| (at, value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_lines_and_keys_are_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let (log, summary) = (directory.path().join("metrics.jsonl"), directory.path().join("summary.json"));
        let lines = [
            r#"{"step": 20, "epoch": 0.5, "loss": 0.7, "learning_rate": 1e-5}"#,
            r#"{"note": "a custom stage"}"#,
            "no JSON",
            r#"{"step": 40, "epoch": 1.0, "validation_loss": 0.6, "validation_accuracy": 0.75}"#,
        ];
        std::fs::write(&log, lines.join("\n")).unwrap();
        std::fs::write(
            &summary,
            r#"{"steps": 40, "best": {"epoch": 1}, "findings": [{"kind": "k", "message": "m"}, 7], "more": []}"#,
        )
        .unwrap();
        let training = Training::read(&log, Some(&summary)).unwrap();
        assert_eq!(training.loss, [(0.5, 0.7)]);
        assert_eq!(training.validation_loss, [(1.0, 0.6)]);
        assert_eq!(training.validation_accuracy, [(1.0, 0.75)]);
        assert_eq!((training.steps, training.best_epoch, training.restored_best), (Some(40), Some(1.0), None));
        assert_eq!(training.findings, ["m"]);
    }

    #[test]
    fn a_missing_log_is_named() {
        let error = Training::read(Path::new("nowhere/metrics.jsonl"), None).unwrap_err();
        assert!(error.message().contains("nowhere/metrics.jsonl"), "{error}");
    }
}
