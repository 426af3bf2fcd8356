//! In which numbers the network computes.

use firebrand_kernels::{Half, Precision};
use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{Config, LossScale};

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
    /// Half precision where torch's autocast has it, with the [loss scaled](crate::LossScale); on GPUs.
    Fp16,
}

impl TrainingPrecision {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
        }
    }

    /// Refuses what the device cannot do.
    pub(crate) fn check(self, device: &str) -> Result<()> {
        match (self, device) {
            (Self::Bf16, "ndarray") => {
                Err(Error::key("precision", "is \"bf16\", but the device `ndarray` computes in single precision only")
                    .hint("set `train.precision = \"fp32\"`, or `train.device = \"flex\"`"))
            }
            (Self::Fp16, "flex" | "ndarray") => {
                Err(Error::key("precision", format!("is \"fp16\", which is for GPUs, but the device is `{device}`"))
                    .hint("set `train.precision = \"fp32\"`, or, on `flex`, \"bf16\""))
            }
            _ => Ok(()),
        }
    }

    /// What the kernels are told on a device.
    pub(crate) fn of_kernels(self, device: &str) -> Precision {
        match self {
            Self::Fp32 => Precision::F32,
            Self::Bf16 if device == "flex" => Precision::Bf16,
            Self::Bf16 => Precision::Cast(Half::Bf16),
            Self::Fp16 => Precision::Cast(Half::F16),
        }
    }

    /// What the loss is scaled with at first, where it is.
    pub(crate) fn loss_scale(self) -> Option<LossScale> {
        (self == Self::Fp16).then(LossScale::default)
    }
}

/// The line of the log that says what is computed in, on a processor that multiplies bfloat16 numbers faster or not.
pub(crate) fn words(config: &Config, fast: bool) -> String {
    let name = config.precision.name();
    match config.precision {
        TrainingPrecision::Bf16 if config.device == "flex" && !fast => format!(
            "precision {name}: this processor has no avx512_bf16, so nothing is gained by it here (`train.precision = \"fp32\"` is as fast)"
        ),
        _ => format!("precision {name}"),
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

    #[test]
    fn a_gpu_has_its_tensors_cast() {
        assert_eq!(TrainingPrecision::Bf16.of_kernels("flex"), Precision::Bf16);
        assert_eq!(TrainingPrecision::Bf16.of_kernels("cuda:1"), Precision::Cast(Half::Bf16));
        assert_eq!(TrainingPrecision::Fp16.of_kernels("cuda"), Precision::Cast(Half::F16));
    }
}
