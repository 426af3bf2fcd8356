//! The precisions of a file.

use std::fmt::{self, Display};
use std::str::FromStr;

use firebrand_pipeline::Error;

/// What weights and activations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Single precision throughout.
    Fp32,
    /// Half precision: half the size; for GPUs. The head, statistics of norms and rotations stay single precision.
    Fp16,
    /// Weights of linear layers and token embeddings as 8-bit integers, with a scale for each output or token; activations are
    /// quantised as they come, with a scale for each batch. Everything else is single precision.
    Int8,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 3] = [Self::Fp32, Self::Fp16, Self::Int8];

    /// The name of its file, by the convention of optimum and transformers.js.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Fp32 => "model.onnx",
            Self::Fp16 => "model_fp16.onnx",
            Self::Int8 => "model_quantized.onnx",
        }
    }
}

impl Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|precision| precision.to_string() == name).ok_or_else(|| {
            Error::usage(format!("there is no precision `{name}`")).hint("`fp32`, `fp16` and `int8` are supported")
        })
    }
}
