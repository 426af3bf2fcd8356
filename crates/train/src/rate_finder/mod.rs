//! The learning-rate range test ([arXiv 1506.01186](https://arxiv.org/abs/1506.01186)): a short training with rates from far too
//! small to far too large, to find the rate at which the loss falls fastest.

mod curve;

use std::path::Path;

use firebrand_model::Classifier;
use firebrand_pipeline::{Error, Result, StageIo, read_json};
use serde::{Deserialize, Serialize};

use crate::config::setup::{freeze, learner, lora, micro_batch, sampler};
use crate::learner::memory::Failure;
use crate::{Config, Rows};

/// Whether to search for a learning rate before training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindLearningRate {
    /// No.
    #[default]
    Off,
    /// Search and report, but train with the configured rate.
    Report,
    /// Search, and train with the rate that was found.
    Use,
}

/// `learning_rate.json`: the result of a range test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeTest {
    /// The rate at which the loss fell fastest; `None` if it never fell.
    pub suggestion: Option<f64>,
    /// Learning rate of each step.
    pub rates: Vec<f64>,
    /// Running mean of the loss at each step, in nats.
    pub losses: Vec<f64>,
}

/// Number of steps, unless the loss ends the test earlier.
const STEPS: u32 = 100;
/// The first rate and the last.
const RATES: (f64, f64) = (1e-7, 1.0);
/// Decay of the running mean of the loss.
const KEPT: f64 = 0.9;
/// The test ends at this many times the lowest loss.
const FAR: f64 = 3.0;

/// The configuration with the learning rate to train with. The test trains a copy: the classifier stays as it is.
///
/// A run that resumes from a checkpoint (`resuming`) keeps the rate that the checkpoint was made with.
pub(crate) fn chosen(
    config: &Config,
    io: &StageIo,
    classifier: &Classifier,
    rows: &Rows,
    resuming: bool,
) -> Result<Config> {
    let (path, svg) = (io.output("learning_rate.json"), io.output("learning_rate.svg"));
    if config.find_learning_rate == FindLearningRate::Off {
        // Of an earlier attempt with another configuration.
        remove_file(&path)?;
        remove_file(&svg)?;
        return Ok(config.clone());
    }
    let found: RangeTest = if resuming && path.exists() {
        read_json(&path)?
    } else {
        let found = test(config, io, classifier, rows)?;
        std::fs::write(&svg, curve::svg(&found)).map_err(|error| Error::io("write", &svg, &error))?;
        io.write_json("learning_rate.json", &found)?;
        found
    };
    let rate = match (found.suggestion, config.find_learning_rate) {
        (Some(rate), FindLearningRate::Use) => rate,
        _ => config.learning_rate,
    };
    io.log(match found.suggestion {
        Some(found) => {
            format!("suggested learning rate: {found:.2e}; training with {rate:.2e} (see learning_rate.svg)")
        }
        None => format!("the loss did not fall at any learning rate; training with {rate:.2e} (see learning_rate.svg)"),
    });
    Ok(Config { learning_rate: rate, ..config.clone() })
}

fn test(config: &Config, io: &StageIo, classifier: &Classifier, rows: &Rows) -> Result<RangeTest> {
    let (freeze, lora) = (freeze(config, classifier)?, lora(config, classifier)?);
    let classifier = if freeze.is_none() { classifier.clone() } else { freeze.begin(classifier.clone(), 0)? };
    let precision = config.precision.on(&config.device, &classifier.device());
    let learner = learner(config, precision, classifier, rows)?.with_lora(lora);
    let sampler = sampler(config, &learner.classifier, rows)?;
    let mut batches = (0..).flat_map(|epoch| {
        let batches = sampler.epoch(epoch);
        batches.chunks(config.accumulation_steps).map(<[Vec<usize>]>::to_vec).collect::<Vec<_>>()
    });
    let bar = io.progress("steps of the learning-rate search", u64::from(STEPS));
    // A step takes the learner by value; one that fails loses it, and ends the test.
    let mut learner = Some(learner);
    let found = sweep(|step, rate| {
        let micro: Vec<_> = batches.next().iter().flatten().map(|numbers| micro_batch(rows, numbers)).collect();
        let current = learner.take().ok_or_else(|| Error::other("the learning-rate test went on after its end"))?;
        let (moved, figures) = current.try_step_over(u64::from(step), &micro, rate)?;
        learner = Some(moved);
        bar.inc(1);
        Ok(figures.loss)
    })?;
    bar.finish();
    Ok(found)
}

/// Takes steps at rising rates, each of which gives its loss, until the loss leaves the range or is no finite number.
///
/// # Errors
/// When a step fails for any other reason, or training breaks down at the very first, smallest rate.
fn sweep(mut step: impl FnMut(u32, f64) -> std::result::Result<f64, Failure>) -> Result<RangeTest> {
    let mut found = RangeTest { suggestion: None, rates: Vec::new(), losses: Vec::new() };
    let mut mean = 0.0;
    for number in 0..STEPS {
        let rate = RATES.0 * (RATES.1 / RATES.0).powf(f64::from(number) / f64::from(STEPS - 1));
        let loss = match step(number, rate) {
            Ok(loss) => loss,
            // Expected at large rates.
            Err(Failure::NotFinite(_)) if number > 0 => break,
            Err(failure) => return Err(failure.into()),
        };
        mean = mean * KEPT + loss * (1.0 - KEPT);
        let smooth = mean / (1.0 - KEPT.powf(f64::from(number + 1)));
        found.rates.push(rate);
        found.losses.push(smooth);
        let lowest = found.losses.iter().copied().fold(f64::INFINITY, f64::min);
        if smooth > FAR * lowest {
            break;
        }
    }
    found.suggestion = steepest(&found.rates, &found.losses);
    Ok(found)
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// The slope at a step is taken over this many steps before and after it, half a decade of rates each, so that single batches do
/// not matter.
const SPAN: usize = 7;

/// The rate, on a logarithmic axis, at which the loss falls fastest before its minimum.
fn steepest(rates: &[f64], losses: &[f64]) -> Option<f64> {
    let lowest = (0..losses.len()).min_by(|&one, &other| losses[one].total_cmp(&losses[other]))?;
    let rise = |at: usize| losses[(at + SPAN).min(lowest)] - losses[at - SPAN];
    let fastest = (SPAN..lowest).min_by(|&one, &other| rise(one).total_cmp(&rise(other)))?;
    (rise(fastest) < 0.0).then(|| rates[fastest])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_before_the_lowest_loss_is_found() {
        let rates: Vec<f64> = (0..60).map(|step| 1e-6 * 1.2f64.powi(step)).collect();
        // Falls around step 30, and rises from step 44 on.
        let losses: Vec<f64> = (0..60)
            .map(f64::from)
            .map(|step| 1.0 - 0.5 / (1.0 + (30.0 - step).exp()) + (step - 44.0).max(0.0))
            .collect();
        assert_eq!(steepest(&rates, &losses), Some(rates[30]));
        assert_eq!(steepest(&rates, &[1.0; 60]), None);
        assert_eq!(steepest(&[], &[]), None);
        let rising: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(steepest(&rates, &rising), None);
    }

    /// A loss that falls until step 40, and what happens there.
    fn sweep_until(failure: impl Fn() -> Failure) -> Result<RangeTest> {
        sweep(|step, _| if step < 40 { Ok(2.0 - f64::from(step) / 40.0) } else { Err(failure()) })
    }

    #[test]
    fn a_breakdown_ends_the_test_and_a_failing_device_ends_the_stage() {
        let found = sweep_until(|| Failure::NotFinite("the loss is NaN".to_owned())).unwrap();
        assert!(found.losses.len() == 40 && found.suggestion.is_some(), "{found:?}");
        let error = sweep_until(|| Failure::of("the device is lost")).unwrap_err();
        assert!(error.message().contains("the device failed: the device is lost"), "{error}");
        let error = sweep_until(|| Failure::Memory).unwrap_err();
        assert!(error.render().contains("tokenize.max_length"), "{error}");
        // At the smallest rate nothing breaks down because of the rate.
        let error = sweep(|_, _| Err(Failure::NotFinite("the loss is NaN".to_owned()))).unwrap_err();
        assert!(error.message().contains("NaN"), "{error}");
    }
}
