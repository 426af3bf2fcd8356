//! Validation of the `[train]` section.

use firebrand_pipeline::{Error, Result};

use crate::adapters::freeze::{self, Part};
use crate::learner::devices;
use crate::{Config, dashboard};

impl Config {
    /// Refuses values that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |key: &str, value: &dyn std::fmt::Display, rule: &str| {
            Err(Error::key(key, format!("is {value}, but it must be {rule}")))
        };
        if let Err(error) = firebrand_model::device(&self.device) {
            return Err(Error::key("device", format!("cannot be used: {error}")));
        }
        devices::others(self)?;
        self.check_deterministic()?;
        dashboard::check(self)?;
        self.precision.check(&self.device)?;
        if self.epochs == 0 {
            return refuse("epochs", &self.epochs, "at least 1");
        }
        for (key, value) in [
            ("batch_size", self.batch_size),
            ("accumulation_steps", self.accumulation_steps),
            ("eval_batch_size", self.eval_batch_size),
        ] {
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
        for (key, value) in [
            ("warmup_ratio", self.warmup_ratio),
            ("weight_decay", self.weight_decay),
            ("label_smoothing", self.label_smoothing),
            ("ema_decay", self.ema_decay),
        ] {
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
        self.check_bounds()?;
        for word in &self.freeze {
            if Part::parse(word).is_none() {
                return Err(freeze::unknown(word));
            }
        }
        for (label, weight) in &self.label_weights {
            if !(*weight > 0.0 && weight.is_finite()) {
                return refuse("label_weights", &format!("{weight} for `{label}`"), "above 0");
            }
        }
        Ok(())
    }

    /// With `deterministic`, refuses devices whose results differ from run to run.
    ///
    /// On a CPU they never do: every sum has a fixed order for any number of threads, and all random numbers are functions of seed
    /// and step. On a GPU Burn offers no such mode: it picks kernels by measured time, and some add in the order in which threads
    /// arrive.
    fn check_deterministic(&self) -> Result<()> {
        if self.deterministic && self.device.starts_with("cuda") {
            let problem = format!("is true, but on `{}` two runs need not end with the same bytes", self.device);
            return Err(Error::key("deterministic", problem).hint(
                "Burn chooses a GPU's kernels by measured time, and some sum in no fixed order: set `train.device = \"flex\"`, or `train.deterministic = false`",
            ));
        }
        Ok(())
    }

    /// Refuses numbers that are out of range.
    fn check_bounds(&self) -> Result<()> {
        let refuse =
            |key: &str, value: f64, rule: &str| Err(Error::key(key, format!("is {value}, but it must be {rule}")));
        if !(self.layer_decay > 0.0 && self.layer_decay <= 1.0) {
            return refuse("layer_decay", self.layer_decay, "above 0 and at most 1 (1 is one rate for all layers)");
        }
        for (key, value) in [("focal_gamma", self.focal_gamma), ("r_drop", self.r_drop)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(key, value, "at least 0 (0 is none)");
            }
        }
        if !(self.lora_alpha > 0.0 && self.lora_alpha.is_finite()) {
            return refuse("lora_alpha", self.lora_alpha, "above 0 (the rank, or twice that, is usual)");
        }
        if self.lora_rank > 0 && self.lora_targets.is_empty() {
            return Err(Error::key("lora_targets", "is empty, but `lora_rank` is not 0")
                .hint("for example [\"query\", \"value\"]"));
        }
        if !(self.divergence_factor == 0.0 || (self.divergence_factor > 1.0 && self.divergence_factor.is_finite())) {
            return refuse("divergence_factor", self.divergence_factor, "above 1, or 0 for none");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;
    use crate::{ScheduleShape, TrainingPrecision};

    #[test]
    fn the_defaults_are_valid_and_whole() {
        let config: Config = default_section(Slot::Train).unwrap();
        config.check().unwrap();
    }

    #[test]
    fn warmup_steps_override_the_ratio_and_end_within_training() {
        let config: Config = default_section(Slot::Train).unwrap();
        assert_eq!(config.schedule(105).unwrap().warmup_steps, 11);
        let by_steps = Config { warmup_steps: 7, schedule: ScheduleShape::Cosine, ..config };
        let found = by_steps.schedule(105).unwrap();
        assert_eq!((found.warmup_steps, found.shape, found.peak), (7, ScheduleShape::Cosine, by_steps.learning_rate));
        let text = by_steps.schedule(7).unwrap_err().render();
        assert!(text.contains("`warmup_steps` is 7") && text.contains("only 7 steps"), "{text}");
    }

    /// Devices that are allowed are deterministic, as `tests/suite/deterministic.rs` shows.
    #[test]
    fn a_gpu_is_not_deterministic() {
        let config: Config = default_section(Slot::Train).unwrap();
        for (device, deterministic, fine) in [
            ("flex", true, true),
            ("ndarray", true, true),
            ("cuda", false, true),
            ("cuda", true, false),
            ("cuda:1", true, false),
        ] {
            let found = Config { device: device.to_owned(), deterministic, ..config.clone() }.check_deterministic();
            assert_eq!(found.is_ok(), fine, "{device} {deterministic}");
            if let Err(error) = found {
                assert!(error.render().contains("`deterministic` is true"), "{}", error.render());
            }
        }
    }

    #[test]
    fn values_that_cannot_work_are_refused_by_key() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 24] = [
            ("precision", |config| config.precision = TrainingPrecision::Fp16),
            ("lora_alpha", |config| config.lora_alpha = 0.0),
            ("lora_targets", |config| (config.lora_rank, config.lora_targets) = (4, Vec::new())),
            ("accumulation_steps", |config| config.accumulation_steps = 0),
            ("layer_decay", |config| config.layer_decay = 0.0),
            ("layer_decay", |config| config.layer_decay = 1.1),
            ("label_weights", |config| config.label_weights = [("spam".to_owned(), -1.0)].into()),
            ("label_smoothing", |config| config.label_smoothing = 1.0),
            ("focal_gamma", |config| config.focal_gamma = -1.0),
            ("r_drop", |config| config.r_drop = f64::INFINITY),
            ("freeze", |config| config.freeze = vec!["layer.0".to_owned()]),
            ("ema_decay", |config| config.ema_decay = 1.0),
            ("divergence_factor", |config| config.divergence_factor = 0.5),
            ("divergence_factor", |config| config.divergence_factor = f64::NAN),
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
