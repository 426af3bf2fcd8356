//! The precision that the network computes in.

use burn::tensor::{Device, FloatDType};
use firebrand_kernels::{Half, Precision, bf16};
use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::LossScale;

/// Precision of forward and backward passes. Parameters, optimiser state and saved models are always fp32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPrecision {
    /// [`Bf16`](Self::Bf16) if the device multiplies it faster, otherwise [`Fp32`](Self::Fp32).
    #[default]
    Auto,
    /// Single precision.
    Fp32,
    /// Mixed precision with [bfloat16](https://en.wikipedia.org/wiki/Bfloat16_floating-point_format), as in torch's autocast.
    Bf16,
    /// Mixed precision with half precision, as in torch's autocast, and a [scaled loss](crate::LossScale); on GPUs.
    Fp16,
}

impl TrainingPrecision {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
        }
    }

    /// Refuses a precision that the device does not have.
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

    /// Resolves `auto` for a device.
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

    /// The kernels' precision on a device, once [resolved](Self::on).
    pub(crate) fn of_kernels(self, device: &str) -> Precision {
        match self {
            Self::Auto | Self::Fp32 => Precision::F32,
            Self::Bf16 if device == "flex" => Precision::Bf16,
            Self::Bf16 => Precision::Cast(Half::Bf16),
            Self::Fp16 => Precision::Cast(Half::F16),
        }
    }

    /// The initial loss scale, if this precision needs one.
    pub(crate) fn loss_scale(self) -> Option<LossScale> {
        (self == Self::Fp16).then(LossScale::default)
    }
}

/// The log line about a device's precision; `fast` says whether the processor multiplies bfloat16 numbers faster.
pub(crate) fn words(precision: TrainingPrecision, device: &str, fast: bool) -> String {
    let name = precision.name();
    match precision {
        TrainingPrecision::Bf16 if device == "flex" && !fast => format!(
            "precision {name}: this processor has no avx512_bf16, so bf16 brings nothing here (`train.precision = \"fp32\"` is as fast)"
        ),
        _ => format!("precision {name}"),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_model::device;

    use super::*;

    #[test]
    fn bf16_on_a_processor_without_it_is_pointed_out() {
        assert_eq!(words(TrainingPrecision::Fp32, "flex", false), "precision fp32");
        assert_eq!(words(TrainingPrecision::Bf16, "flex", true), "precision bf16");
        assert_eq!(words(TrainingPrecision::Bf16, "cuda", false), "precision bf16");
        assert!(words(TrainingPrecision::Bf16, "flex", false).contains("brings nothing"));
    }

    #[test]
    fn auto_resolves_to_the_faster_precision() {
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
    fn a_device_without_a_precision_is_refused_by_key() {
        for (precision, device, fine) in [
            (TrainingPrecision::Bf16, "ndarray", false),
            (TrainingPrecision::Fp16, "flex", false),
            (TrainingPrecision::Bf16, "flex", true),
            (TrainingPrecision::Fp16, "cuda", true),
        ] {
            let found = precision.check(device);
            assert_eq!(found.is_ok(), fine, "{precision:?} {device}");
            assert!(found.err().is_none_or(|error| error.message().starts_with("`precision`")));
        }
    }

    #[test]
    fn gpus_cast_tensors() {
        assert_eq!(TrainingPrecision::Bf16.of_kernels("flex"), Precision::Bf16);
        assert_eq!(TrainingPrecision::Bf16.of_kernels("cuda:1"), Precision::Cast(Half::Bf16));
        assert_eq!(TrainingPrecision::Fp16.of_kernels("cuda"), Precision::Cast(Half::F16));
    }
}
