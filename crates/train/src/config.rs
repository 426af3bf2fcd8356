//! The `[train]` section.

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use firebrand_model::StartHead;

use crate::{AdamWConfig, Schedule, ScheduleShape};

/// The `[train]` section; `configs/default.toml` has the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `flex`, `ndarray`, `cuda` or `cuda:N`.
    pub device: String,
    /// What becomes of a head that the model already has: `auto`, `keep` or `new`.
    pub head: StartHead,
    /// Which hidden state is classified: as the family does, or the mean.
    pub pooling: Pooling,
    /// Times that every row is seen.
    pub epochs: u32,
    /// Rows in a step.
    pub batch_size: usize,
    /// The highest learning rate, reached after warm-up.
    pub learning_rate: f64,
    /// What follows the climb of the rate: `linear`, `cosine`, `constant` or `polynomial`.
    pub schedule: ScheduleShape,
    /// The exponent of the polynomial schedule.
    pub schedule_power: f64,
    /// Share of all steps in which the rate climbs from zero.
    pub warmup_ratio: f64,
    /// Steps in which the rate climbs from zero; 0: `warmup_ratio` says it.
    pub warmup_steps: u64,
    /// Decoupled weight decay; biases and norms have none.
    pub weight_decay: f64,
    /// Decay of the gradients' running mean.
    pub adam_beta1: f64,
    /// Decay of the gradients' running mean square.
    pub adam_beta2: f64,
    /// Added to the root of the mean square.
    pub adam_epsilon: f64,
    /// Largest norm of all gradients together; 0: no clipping.
    pub max_grad_norm: f64,
    /// Dropout after embeddings, attention and feed-forward; -1: as the model's config says.
    pub hidden_dropout: f64,
    /// Dropout of attention weights; -1: as the model's config says.
    pub attention_dropout: f64,
    /// Dropout before the output map; -1: as the model's config says.
    pub classifier_dropout: f64,
    /// Batches that are sorted by length together; 0: no sorting.
    pub sort_window: usize,
    /// Validations in a row without a lower loss after which training stops; 0: never early.
    pub early_stopping_patience: u32,
    /// Keep the weights with the lowest validation loss rather than the last.
    pub restore_best: bool,
    /// Rows in a validation batch.
    pub eval_batch_size: usize,
    /// Steps between checkpoints; 0: only at the end of each epoch.
    pub checkpoint_steps: u64,
    /// Steps between lines in `metrics.jsonl`.
    pub log_steps: u64,
    /// Decides the head's first weights, the order of rows and dropout.
    pub seed: u64,
}

/// Which hidden state is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// As the model's family does it.
    #[serde(rename = "")]
    Family,
    /// The mean over the tokens.
    #[serde(rename = "mean")]
    Mean,
}

impl Config {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |key: &str, value: &dyn std::fmt::Display, rule: &str| {
            Err(Error::key(key, format!("is {value}, but it must be {rule}")))
        };
        if let Err(error) = firebrand_model::device(&self.device) {
            return Err(Error::key("device", format!("cannot be used: {error}")));
        }
        if self.epochs == 0 {
            return refuse("epochs", &self.epochs, "at least 1");
        }
        for (key, value) in [("batch_size", self.batch_size), ("eval_batch_size", self.eval_batch_size)] {
            if value == 0 {
                return refuse(key, &value, "at least 1");
            }
        }
        if self.log_steps == 0 {
            return refuse("log_steps", &self.log_steps, "at least 1");
        }
        // Written so that NaN is refused too.
        if !(self.learning_rate > 0.0 && self.learning_rate < 1.0) {
            return refuse("learning_rate", &self.learning_rate, "above 0 and below 1 (2e-5 to 5e-5 is usual)");
        }
        for (key, value) in [("warmup_ratio", self.warmup_ratio), ("weight_decay", self.weight_decay)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(key, &value, "at least 0 and below 1");
            }
        }
        if !(self.schedule_power > 0.0 && self.schedule_power.is_finite()) {
            return refuse("schedule_power", &self.schedule_power, "above 0");
        }
        for (key, value) in [("adam_beta1", self.adam_beta1), ("adam_beta2", self.adam_beta2)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(key, &value, "at least 0 and below 1");
            }
        }
        if !(self.adam_epsilon > 0.0 && self.adam_epsilon < 1.0) {
            return refuse("adam_epsilon", &self.adam_epsilon, "above 0 and below 1");
        }
        if !(self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite()) {
            return refuse("max_grad_norm", &self.max_grad_norm, "at least 0 (0 is no clipping)");
        }
        for (key, value) in [
            ("hidden_dropout", self.hidden_dropout),
            ("attention_dropout", self.attention_dropout),
            ("classifier_dropout", self.classifier_dropout),
        ] {
            if value != -1.0 && !(0.0..1.0).contains(&value) {
                return refuse(key, &value, "at least 0 and below 1, or -1 for the model's own");
            }
        }
        Ok(())
    }

    /// How the learning rate moves over so many steps.
    pub(crate) fn schedule(&self, total_steps: u64) -> Result<Schedule> {
        let warmup_steps = match self.warmup_steps {
            0 => Schedule::warmup_of(self.warmup_ratio, total_steps),
            steps if steps < total_steps => steps,
            steps => {
                let problem = format!("is {steps}, but training has only {total_steps} steps");
                return Err(
                    Error::key("warmup_steps", problem).hint("the rate would never reach `train.learning_rate`")
                );
            }
        };
        Ok(Schedule {
            shape: self.schedule,
            power: self.schedule_power,
            peak: self.learning_rate,
            warmup_steps,
            total_steps,
        })
    }

    /// The optimiser's constants.
    pub(crate) fn adamw(&self) -> AdamWConfig {
        AdamWConfig {
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            epsilon: self.adam_epsilon,
            weight_decay: self.weight_decay,
            no_decay: AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec(),
        }
    }

    /// -1 means that the model's config decides.
    pub(crate) fn dropout(&self, value: f64) -> Option<f64> {
        (value >= 0.0).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    #[test]
    fn the_defaults_are_valid_and_whole() {
        let config: Config = default_section(Slot::Train).unwrap();
        config.check().unwrap();
    }

    #[test]
    fn warm_up_is_by_steps_where_they_are_given_and_ends_within_training() {
        let config: Config = default_section(Slot::Train).unwrap();
        assert_eq!(config.schedule(105).unwrap().warmup_steps, 11);
        let by_steps = Config { warmup_steps: 7, schedule: ScheduleShape::Cosine, ..config };
        let found = by_steps.schedule(105).unwrap();
        assert_eq!((found.warmup_steps, found.shape, found.peak), (7, ScheduleShape::Cosine, by_steps.learning_rate));
        let text = by_steps.schedule(7).unwrap_err().render();
        assert!(text.contains("`warmup_steps` is 7") && text.contains("only 7 steps"), "{text}");
    }

    #[test]
    fn values_that_cannot_work_are_refused_by_key() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 10] = [
            ("schedule_power", |config| config.schedule_power = 0.0),
            ("device", |config| config.device = "gpu".to_owned()),
            ("epochs", |config| config.epochs = 0),
            ("batch_size", |config| config.batch_size = 0),
            ("learning_rate", |config| config.learning_rate = -1e-5),
            ("learning_rate", |config| config.learning_rate = f64::NAN),
            ("warmup_ratio", |config| config.warmup_ratio = 1.5),
            ("adam_beta2", |config| config.adam_beta2 = 1.0),
            ("hidden_dropout", |config| config.hidden_dropout = -0.1),
            ("log_steps", |config| config.log_steps = 0),
        ];
        for (key, change) in changes {
            let mut config: Config = default_section(Slot::Train).unwrap();
            change(&mut config);
            let error = config.check().unwrap_err();
            assert!(error.message().starts_with(&format!("`{key}`")), "{}", error.message());
        }
    }
}
