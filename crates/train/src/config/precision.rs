//! In which numbers the network computes.

use burn::tensor::{Device, FloatDType};
use firebrand_kernels::{Half, Precision, bf16};
use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::LossScale;

/// The numbers of forward and backward passes. Parameters, their moments and all that is saved are single precision in any
/// case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// [`Bf16`](Self::Bf16) where the device multiplies it faster, elsewhere [`Fp32`](Self::Fp32).
    #[default]
    Auto,
    /// Single precision.
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
            Self::Auto => "auto",
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

    /// Without a choice left, on a device.
    pub(crate) fn on(self, name: &str, device: &Device) -> Self {
        let fast = || match name {
            "flex" => bf16::is_fast(),
            "ndarray" => false,
            _ => device.supports_dtype(FloatDType::BF16),
        };
        match self {
            Self::Auto if fast() => Self::Bf16,
            Self::Auto => Self::Fp32,
            chosen => chosen,
        }
    }

    /// What the kernels are told on a device, once [chosen](Self::on).
    pub(crate) fn of_kernels(self, device: &str) -> Precision {
        match self {
            Self::Auto | Self::Fp32 => Precision::F32,
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

/// The line of the log that says what is computed in on a device, on a processor that multiplies bfloat16 numbers faster or
/// not.
pub(crate) fn words(precision: TrainingPrecision, device: &str, fast: bool) -> String {
    let name = precision.name();
    match precision {
        TrainingPrecision::Bf16 if device == "flex" && !fast => format!(
            "precision {name}: this processor has no avx512_bf16, so nothing is gained by it here (`train.precision = \"fp32\"` is as fast)"
        ),
        _ => format!("precision {name}"),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_model::device;

    use super::*;

    #[test]
    fn a_processor_that_gains_nothing_is_told_of() {
        assert_eq!(words(TrainingPrecision::Fp32, "flex", false), "precision fp32");
        assert_eq!(words(TrainingPrecision::Bf16, "flex", true), "precision bf16");
        assert_eq!(words(TrainingPrecision::Bf16, "cuda", false), "precision bf16");
        assert!(words(TrainingPrecision::Bf16, "flex", false).contains("nothing is gained"));
    }

    #[test]
    fn the_faster_precision_is_chosen_and_no_other_changed() {
        let on = |precision: TrainingPrecision, name| precision.on(name, &device(name).unwrap());
        let fast = if bf16::is_fast() { TrainingPrecision::Bf16 } else { TrainingPrecision::Fp32 };
        assert_eq!(on(TrainingPrecision::Auto, "flex"), fast);
        if cfg!(feature = "ndarray") {
            assert_eq!(on(TrainingPrecision::Auto, "ndarray"), TrainingPrecision::Fp32);
        }
        for precision in [TrainingPrecision::Fp32, TrainingPrecision::Bf16] {
            assert_eq!(on(precision, "flex"), precision);
        }
    }

    #[test]
    fn a_gpu_has_its_tensors_cast() {
        assert_eq!(TrainingPrecision::Bf16.of_kernels("flex"), Precision::Bf16);
        assert_eq!(TrainingPrecision::Bf16.of_kernels("cuda:1"), Precision::Cast(Half::Bf16));
        assert_eq!(TrainingPrecision::Fp16.of_kernels("cuda"), Precision::Cast(Half::F16));
    }
}
