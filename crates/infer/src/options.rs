//! How a classifier is opened.

use std::fmt::{self, Display};
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::Error;

/// The arithmetic of linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Single precision throughout.
    Fp32,
    /// Products of 8-bit integers, summed exactly, with one scale per output and per token. Everything between them is in
    /// single precision, in one fixed order, so that answers are the same on every processor.
    Int8,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 2] = [Self::Fp32, Self::Int8];
}

impl Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|precision| precision.to_string() == name).ok_or_else(|| {
            Error::usage(format!("there is no precision `{name}`")).hint("`fp32` and `int8` are supported")
        })
    }
}

/// How a classifier is opened. The default is right for most uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// `None`: int8 if the directory has weights in int8, as a bundle does whose int8 predictions passed its export's
    /// comparison; else single precision.
    pub precision: Option<Precision>,
    /// Threads that compute; `None`: as many as the process has cores.
    pub threads: Option<NonZeroUsize>,
    /// Largest number of tokens per text, special tokens included; `None`: the tokenizer's or the model's own.
    pub max_length: Option<NonZeroUsize>,
}
