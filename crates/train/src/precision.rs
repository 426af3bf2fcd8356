//! In which numbers the network computes.

use firebrand_kernels::Precision;
use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Config;

/// The numbers of forward and backward passes. Parameters, their moments and all that is saved are single precision in any
/// case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// Single precision.
    #[default]
    Fp32,
    /// [bfloat16](https://en.wikipedia.org/wiki/Bfloat16_floating-point_format) where torch's autocast has it.
    Bf16,
}

impl TrainingPrecision {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }

    /// Refuses what the device cannot do.
    pub(crate) fn check(self, device: &str) -> Result<()> {
        if self == Self::Bf16 && device == "ndarray" {
            let problem = "is \"bf16\", but the device `ndarray` computes in single precision only";
            return Err(
                Error::key("precision", problem).hint("set `train.precision = \"fp32\"`, or `train.device = \"flex\"`")
            );
        }
        Ok(())
    }

    /// What the kernels are told.
    pub(crate) fn of_kernels(self) -> Precision {
        match self {
            Self::Fp32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
        }
    }
}

/// The line of the log that says what is computed in, on a processor that multiplies bfloat16 numbers faster or not.
pub(crate) fn words(config: &Config, fast: bool) -> String {
    let name = config.precision.name();
    match config.precision {
        TrainingPrecision::Bf16 if config.device == "flex" && !fast => format!(
            "precision {name}: this processor has no avx512_bf16, so nothing is gained by it here (`train.precision = \"fp32\"` is as fast)"
        ),
        TrainingPrecision::Fp32 | TrainingPrecision::Bf16 => format!("precision {name}"),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    #[test]
    fn a_processor_that_gains_nothing_is_told_of() {
        let plain: Config = default_section(Slot::Train).unwrap();
        let config = Config { precision: TrainingPrecision::Bf16, ..plain.clone() };
        assert_eq!(words(&plain, false), "precision fp32");
        assert_eq!(words(&config, true), "precision bf16");
        assert!(words(&config, false).contains("nothing is gained"));
    }
}
