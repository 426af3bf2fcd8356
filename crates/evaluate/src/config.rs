//! The `[evaluate]` section.

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// The `[evaluate]` section; `configs/default.toml` has the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `flex`, `ndarray`, `cuda` or `cuda:N`.
    pub device: String,
    /// Rows per batch.
    pub batch_size: usize,
    /// Evaluate the most frequent label, and TF-IDF with logistic regression, as baselines.
    pub baselines: bool,
    /// Mistakes listed in the report, most confident first.
    pub show_mistakes: usize,
}

impl Config {
    /// Rejects invalid values.
    pub(crate) fn check(&self) -> Result<()> {
        if let Err(error) = firebrand_model::device(&self.device) {
            return Err(Error::key("device", format!("cannot be used: {error}")));
        }
        if self.batch_size == 0 {
            return Err(Error::key("batch_size", "is 0, but it must be at least 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{ErrorKind, Slot, config::default_section};

    use super::*;

    fn default() -> Config {
        default_section(Slot::Evaluate).unwrap()
    }

    #[test]
    fn the_defaults_are_valid_and_complete() {
        default().check().unwrap();
    }

    #[test]
    fn invalid_values_are_refused_by_key() {
        for (config, key) in [
            (Config { batch_size: 0, ..default() }, "`batch_size`"),
            (Config { device: "gpu".to_owned(), ..default() }, "`device`"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(key), "{}", error.message());
        }
    }
}
