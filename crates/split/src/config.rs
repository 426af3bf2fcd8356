//! The `[split]` section.

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// The configuration of the stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Share of the rows without a given split that go into validation; above 0. Ignored if a validation split is given.
    pub validation: f64,
    /// Share of the rows without a given split that go into test. Ignored if a test split is given.
    pub test: f64,
    /// Keeps the share of every label the same in all splits; multi-label rows are split by iterative stratification.
    pub stratify: bool,
    /// Seed of the random split.
    pub seed: u64,
}

impl Config {
    pub(crate) fn check(&self) -> Result<()> {
        for (key, share) in [("validation", self.validation), ("test", self.test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::key(key, format!("= {share} is not a share: at least 0 and below 1"))
                    .hint("0.1 is a tenth of the rows"));
            }
        }
        if self.validation == 0.0 {
            return Err(Error::key("validation", "= 0 leaves no rows for choosing the best weights")
                .hint("0.1 is a tenth of the rows"));
        }
        let sum = self.validation + self.test;
        if sum >= 1.0 {
            return Err(Error::key(
                "test",
                format!("= {} and `split.validation` = {} leave no rows for training", self.test, self.validation),
            )
            .hint("the two shares together must be below 1"));
        }
        Ok(())
    }

    /// The share of a split that is drawn.
    pub(crate) fn share(&self, part: Part) -> f64 {
        match part {
            Part::Train => 1.0 - self.validation - self.test,
            Part::Validation => self.validation,
            Part::Test => self.test,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firebrand_pipeline::{Slot, config::default_section};

    #[test]
    fn the_defaults_fit() {
        let config: Config = default_section(Slot::Split).unwrap();
        config.check().unwrap();
        assert!((config.share(Part::Train) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn shares_that_cannot_work_name_their_key() {
        for (validation, test, expected) in [
            (-0.1, 0.1, "`validation` = -0.1 is not a share"),
            (0.1, -0.1, "`test` = -0.1 is not a share"),
            (0.1, 1.0, "`test` = 1 is not a share"),
            (f64::NAN, 0.1, "`validation` = NaN is not a share"),
            (0.0, 0.1, "`validation` = 0 leaves no rows"),
            (0.5, 0.5, "`test` = 0.5 and `split.validation` = 0.5 leave no rows for training"),
        ] {
            let error = Config { validation, test, stratify: true, seed: 1 }.check().unwrap_err();
            assert!(error.message().starts_with(expected), "{error}");
            assert_eq!(error.kind().exit_code(), 3);
        }
        Config { validation: 0.2, test: 0.0, stratify: false, seed: 1 }.check().unwrap();
    }

    #[test]
    fn unknown_keys_are_named() {
        let text = r#"{"validation": 0.1, "test": 0.1, "stratify": true, "seed": 1, "sead": 2}"#;
        let error = serde_json::from_str::<Config>(text).unwrap_err().to_string();
        assert!(error.contains("unknown field `sead`"), "{error}");
    }
}
