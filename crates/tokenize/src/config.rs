//! The `[tokenize]` section.

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// The `[tokenize]` section; `configs/default.toml` has the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Maximum length in tokens, special tokens included; 0: the model's own maximum.
    pub max_length: usize,
    /// Worker threads; 0: all cores.
    pub threads: usize,
}

impl Config {
    /// With less, the special tokens leave hardly any room for the text.
    const MIN_LENGTH: usize = 8;
    /// A larger number is surely a typo.
    const MAX_THREADS: usize = 1024;

    pub(crate) fn check(&self) -> Result<()> {
        if (1..Self::MIN_LENGTH).contains(&self.max_length) {
            let problem = format!("is {}, but it must be at least {}, or 0", self.max_length, Self::MIN_LENGTH);
            return Err(
                Error::key("max_length", problem).hint("0 means the model's own maximum; 128 is usual for sentences")
            );
        }
        if self.threads > Self::MAX_THREADS {
            let problem = format!("is {}, but it must be at most {}", self.threads, Self::MAX_THREADS);
            return Err(Error::key("threads", problem).hint("0 means all cores"));
        }
        Ok(())
    }

    /// Number of threads to start.
    pub(crate) fn workers(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        let config: Config = default_section(Slot::Tokenize).unwrap();
        config.check().unwrap();
    }

    #[test]
    fn values_that_cannot_work_are_refused_by_key() {
        for (config, key) in [
            (Config { max_length: 7, threads: 0 }, "`max_length` is 7"),
            (Config { max_length: 128, threads: 5000 }, "`threads` is 5000"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.message().starts_with(key), "{}", error.message());
        }
    }
}
