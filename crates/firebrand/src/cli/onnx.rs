//! The options of `onnx`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The options of `firebrand onnx`.
#[derive(Debug, Args)]
pub(crate) struct Onnx {
    /// Bundle, or another directory with config.json and weights
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// Precision to write; may be given several times [default: all]
    #[arg(long, value_name = "PRECISION")]
    pub(crate) precision: Vec<OnnxPrecision>,
    /// Directory to write into [default: MODEL/onnx]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) output: Option<PathBuf>,
}

/// A precision by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnnxPrecision {
    /// float32: model.onnx
    Fp32,
    /// float16, for GPUs: model_fp16.onnx
    Fp16,
    /// 8-bit integers, for CPUs: model_quantized.onnx
    Int8,
}
