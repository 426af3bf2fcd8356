//! The `[export]` section.

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// The `[export]` section; `configs/default.toml` has the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `flex`, `ndarray`, `cuda` or `cuda:N`: where what was written is measured.
    pub device: String,
    /// Rows that the model answers at once.
    pub batch_size: usize,
    /// Write int8 weights beside the float32 ones.
    pub int8: bool,
    /// Largest fall of test accuracy from float32 to int8, as a share.
    pub max_accuracy_drop: f64,
    /// Smallest test accuracy of whatever is exported, as a share; 0: any will do.
    pub min_accuracy: f64,
}

impl Config {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        if let Err(error) = firebrand_model::device(&self.device) {
            return Err(Error::key("device", format!("cannot be used: {error}")));
        }
        if self.batch_size == 0 {
            return Err(Error::key("batch_size", "is 0, but it must be at least 1"));
        }
        if !(0.0..=1.0).contains(&self.max_accuracy_drop) {
            let problem = format!("is {}, but a fall of accuracy is a share: from 0 to 1", self.max_accuracy_drop);
            return Err(Error::key("max_accuracy_drop", problem).hint("0.01 is one point"));
        }
        if !(0.0..=1.0).contains(&self.min_accuracy) {
            let problem = format!("is {}, but an accuracy is a share: from 0 to 1", self.min_accuracy);
            return Err(Error::key("min_accuracy", problem).hint("0.8 asks for 80 %"));
        }
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
    fn the_defaults_are_valid_and_whole() {
        default().check().unwrap();
        assert!(default().int8);
    }

    #[test]
    fn what_cannot_work_is_refused_by_key() {
        for (config, key) in [
            (Config { batch_size: 0, ..default() }, "`batch_size`"),
            (Config { device: "gpu".to_owned(), ..default() }, "`device`"),
            (Config { max_accuracy_drop: 1.5, ..default() }, "`max_accuracy_drop`"),
            (Config { max_accuracy_drop: -0.1, ..default() }, "`max_accuracy_drop`"),
            (Config { max_accuracy_drop: f64::NAN, ..default() }, "`max_accuracy_drop`"),
            (Config { min_accuracy: 81.0, ..default() }, "`min_accuracy`"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(key), "{}", error.message());
        }
    }
}
