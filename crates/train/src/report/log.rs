//! `metrics.jsonl`: a line every few steps and one per validation. It has no times, so that equal runs write equal bytes.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, ResultExt};
use serde::{Deserialize, Serialize};

use crate::Validation;
use crate::report::tensorboard::Events;

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Steps done.
    pub step: u64,
    /// Epochs done, with the fraction of the current one.
    pub epoch: f64,
    /// Mean training loss since the last line, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Learning rate of the last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Norm of all gradients together in the last step, before clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Mean loss over the validation split, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Share of the validation split whose labels are all right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// F1 over the validation split, averaged over labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_macro_f1: Option<f64>,
    /// F1 over all decisions about labels, for multi-label classifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_micro_f1: Option<f64>,
}

impl Line {
    /// A line without figures.
    pub(crate) fn at(step: u64, epoch: f64) -> Self {
        Self {
            step,
            epoch,
            loss: None,
            learning_rate: None,
            grad_norm: None,
            validation_loss: None,
            validation_accuracy: None,
            validation_macro_f1: None,
            validation_micro_f1: None,
        }
    }

    /// The line of a validation.
    pub(crate) fn of_validation(step: u64, epoch: f64, validation: &Validation) -> Self {
        Self {
            validation_loss: Some(validation.loss),
            validation_accuracy: Some(validation.accuracy),
            validation_macro_f1: Some(validation.macro_f1),
            validation_micro_f1: validation.micro_f1,
            ..Self::at(step, epoch)
        }
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: BufWriter<File>,
    /// The same figures for TensorBoard, if enabled.
    events: Option<Events>,
}

impl MetricsLog {
    /// Opens the file and keeps the lines of steps up to `step`: what an interrupted run wrote beyond its checkpoint
    /// will be written again, and at step 0 that is everything. TensorBoard's file, in the directory `events`, is rewritten from them. The kept lines take the
    /// file's place as a whole, so that a kill here loses none.
    pub(crate) fn open(path: &Path, step: u64, events: Option<&Path>) -> Result<Self> {
        let kept = match fs::read_to_string(path) {
            Ok(text) => text
                .lines()
                .filter(|line| serde_json::from_str::<Line>(line).is_ok_and(|line| step > 0 && line.step <= step))
                .fold(String::new(), |kept, line| kept + line + "\n"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path, &error)),
        };
        let temporary = path.with_extension("jsonl.tmp");
        let failed = |error: std::io::Error| Error::io("write", path, &error);
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(kept.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&temporary, path).map_err(failed)?;
        let kept: Vec<Line> = kept.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let events = events.map(|directory| Events::create(directory, &kept)).transpose()?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), events })
    }

    pub(crate) fn write(&mut self, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line).or_other(|| "cannot write a line of metrics".to_owned())?;
        if let Some(events) = &mut self.events {
            events.write(line)?;
        }
        // Flushed at once, for whoever watches the file.
        writeln!(self.file, "{text}").and_then(|()| self.file.flush()).map_err(|error| self.failed(&error))
    }

    /// Makes the lines so far survive a power failure.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::io("write", &self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_checkpoint_and_torn_lines_are_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let events = directory.path().join("tensorboard");
        let event_bytes = || fs::read(events.join(Events::FILE)).unwrap();
        let mut log = MetricsLog::open(&path, 0, Some(&events)).unwrap();
        for step in [10, 20, 30] {
            log.write(&Line { loss: Some(0.1 + step as f64), ..Line::at(step, 0.5) }).unwrap();
        }
        drop(log);
        let whole = fs::read_to_string(&path).unwrap();
        let whole_events = event_bytes();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut log = MetricsLog::open(&path, 20, Some(&events)).unwrap();
        log.write(&Line { loss: Some(30.1), ..Line::at(30, 0.5) }).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        assert!(event_bytes() == whole_events, "TensorBoard's events differ");
    }
}
