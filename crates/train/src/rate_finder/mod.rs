//! The learning-rate range test ([arXiv 1506.01186](https://arxiv.org/abs/1506.01186)): a short training at rates from far too
//! small to far too large, and the rate at which the loss fell fastest.

mod curve;

use firebrand_model::Classifier;
use firebrand_pipeline::{ErrorKind, Result, StageIo, read_json};
use serde::{Deserialize, Serialize};

use crate::config::setup::{freeze, learner, lora, micro_batch, sampler};
use crate::{Config, Rows};

/// Whether to look for a learning rate before training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindLearningRate {
    /// No.
    #[default]
    Off,
    /// Look, say, and train with the configured rate.
    Report,
    /// Look, and train with what was found.
    Use,
}

/// `learning_rate.json`: what a range test found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeTest {
    /// The rate at which the loss fell fastest; none where it never fell.
    pub suggestion: Option<f64>,
    /// The rate of each step.
    pub rates: Vec<f64>,
    /// The loss of each step before its update, averaged with those before it, in nats.
    pub losses: Vec<f64>,
}

/// Steps of the test, unless the loss ends it before.
const STEPS: u32 = 100;
/// The first rate and the last.
const RATES: (f64, f64) = (1e-7, 1.0);
/// What the average of the losses before weighs.
const KEPT: f64 = 0.9;
/// The test ends at so many times the lowest loss.
const FAR: f64 = 3.0;

/// The configuration with the learning rate to train with. The test trains a copy: the classifier stays as it is.
pub(crate) fn chosen(config: &Config, io: &StageIo, classifier: &Classifier, rows: &Rows) -> Result<Config> {
    if config.find_learning_rate == FindLearningRate::Off {
        return Ok(config.clone());
    }
    let path = io.output("learning_rate.json");
    // A resumed run goes on with what was found, which its checkpoint was made with.
    let found: RangeTest = if io.resuming() && path.exists() {
        read_json(&path)?
    } else {
        let found = test(config, io, classifier, rows)?;
        let svg = io.output("learning_rate.svg");
        std::fs::write(&svg, curve::svg(&found))
            .map_err(|error| firebrand_pipeline::Error::io("write", &svg, &error))?;
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
        None => format!("the loss fell at no learning rate; training with {rate:.2e} (see learning_rate.svg)"),
    });
    Ok(Config { learning_rate: rate, ..config.clone() })
}

fn test(config: &Config, io: &StageIo, classifier: &Classifier, rows: &Rows) -> Result<RangeTest> {
    let (freeze, lora) = (freeze(config, classifier)?, lora(config, classifier)?);
    let classifier = if freeze.is_none() { classifier.clone() } else { freeze.begin(classifier.clone(), 0)? };
    let precision = config.precision.on(&config.device, &classifier.device());
    let mut learner = learner(config, precision, classifier, rows)?.with_lora(lora);
    let sampler = sampler(config, &learner.classifier, rows)?;
    let batches = (0..).flat_map(|epoch| {
        let batches = sampler.epoch(epoch);
        batches.chunks(config.accumulation_steps).map(<[Vec<usize>]>::to_vec).collect::<Vec<_>>()
    });
    let bar = io.progress("steps in search of a learning rate", u64::from(STEPS));
    let mut found = RangeTest { suggestion: None, rates: Vec::new(), losses: Vec::new() };
    let mut mean = 0.0;
    for (step, batches) in (0..STEPS).zip(batches) {
        let rate = RATES.0 * (RATES.1 / RATES.0).powf(f64::from(step) / f64::from(STEPS - 1));
        let micro: Vec<_> = batches.iter().map(|numbers| micro_batch(rows, numbers)).collect();
        let figures = match learner.step_over(u64::from(step), &micro, rate) {
            Ok((moved, figures)) => {
                learner = moved;
                figures
            }
            // Numbers that are no longer finite end the test, as they should at such rates.
            Err(error) if error.kind() == ErrorKind::Other && step > 0 => break,
            Err(error) => return Err(error),
        };
        mean = mean * KEPT + figures.loss * (1.0 - KEPT);
        let smooth = mean / (1.0 - KEPT.powf(f64::from(step + 1)));
        found.rates.push(rate);
        found.losses.push(smooth);
        bar.inc(1);
        let lowest = found.losses.iter().copied().fold(f64::INFINITY, f64::min);
        if smooth > FAR * lowest {
            break;
        }
    }
    bar.finish();
    found.suggestion = steepest(&found.rates, &found.losses);
    Ok(found)
}

/// Steps before and after one over which the fall is taken: half a tenfold of the rate each, so that a batch or two decide
/// nothing.
const SPAN: usize = 7;

/// The rate at which the losses, over equal ratios of rates, fall fastest on their way to the lowest.
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
}
