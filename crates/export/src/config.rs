//! The `[export]` section.

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// The `[export]` section; `configs/default.toml` has the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Device that the exported model is evaluated on: `flex`, `ndarray`, `cuda` or `cuda:N`.
    pub device: String,
    /// Rows per batch.
    pub batch_size: usize,
    /// Whether to write int8 weights in addition to float32 weights.
    pub int8: bool,
    /// Largest drop of the test accuracy (of micro F1 for a multi-label model) from float32 to int8, as a fraction.
    pub max_accuracy_drop: f64,
    /// Largest drop of the test macro F1 from float32 to int8, as a fraction; -1: twice `max_accuracy_drop`.
    pub max_macro_f1_drop: f64,
    /// Lowest test accuracy (micro F1, as above) of an exported model, as a fraction; 0: no limit.
    pub min_accuracy: f64,
}

/// The value of `max_macro_f1_drop` for a limit that follows from `max_accuracy_drop`.
const AS_ACCURACY: f64 = -1.0;

impl Config {
    /// The limit for macro F1. Unless it is set, it is wider than the one for accuracy, because a single rare label can change
    /// macro F1.
    pub(crate) fn max_macro_f1_drop(&self) -> f64 {
        if self.max_macro_f1_drop == AS_ACCURACY { 2.0 * self.max_accuracy_drop } else { self.max_macro_f1_drop }
    }

    /// Refuses invalid values.
    pub(crate) fn check(&self) -> Result<()> {
        if let Err(error) = firebrand_model::device(&self.device) {
            return Err(Error::key("device", format!("cannot be used: {error}")));
        }
        if self.batch_size == 0 {
            return Err(Error::key("batch_size", "is 0, but it must be at least 1"));
        }
        let fraction = |key: &str, value: f64, hint: &str| {
            if (0.0..=1.0).contains(&value) {
                return Ok(());
            }
            Err(Error::key(key, format!("is {value}, but it must be a fraction from 0 to 1")).hint(hint))
        };
        fraction("max_accuracy_drop", self.max_accuracy_drop, "0.01 is one percentage point")?;
        if self.max_macro_f1_drop != AS_ACCURACY {
            let hint = "0.01 is one percentage point; -1 means twice `export.max_accuracy_drop`";
            fraction("max_macro_f1_drop", self.max_macro_f1_drop, hint)?;
        }
        fraction("min_accuracy", self.min_accuracy, "0.8 means 80 %")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{ErrorKind, Slot, config::default_section};

    use super::*;

    fn default() -> Config {
        default_section(Slot::Export).unwrap()
    }

    #[test]
    fn the_defaults_are_valid_and_complete() {
        default().check().unwrap();
        assert!(default().int8);
    }

    #[test]
    fn the_limit_for_macro_f1_follows_from_the_other() {
        assert_eq!(default().max_macro_f1_drop(), 2.0 * default().max_accuracy_drop);
        assert_eq!(Config { max_macro_f1_drop: 0.0, ..default() }.max_macro_f1_drop(), 0.0);
    }

    #[test]
    fn invalid_values_are_refused_by_key() {
        for (config, key) in [
            (Config { batch_size: 0, ..default() }, "`batch_size`"),
            (Config { device: "gpu".to_owned(), ..default() }, "`device`"),
            (Config { max_accuracy_drop: 1.5, ..default() }, "`max_accuracy_drop`"),
            (Config { max_accuracy_drop: -0.1, ..default() }, "`max_accuracy_drop`"),
            (Config { max_accuracy_drop: f64::NAN, ..default() }, "`max_accuracy_drop`"),
            (Config { max_macro_f1_drop: 1.5, ..default() }, "`max_macro_f1_drop`"),
            (Config { max_macro_f1_drop: -0.5, ..default() }, "`max_macro_f1_drop`"),
            (Config { min_accuracy: 81.0, ..default() }, "`min_accuracy`"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(key), "{}", error.message());
        }
    }
}
