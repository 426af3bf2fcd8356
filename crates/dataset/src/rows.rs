//! The rows themselves.

use std::fmt;
use std::str::FromStr;

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What the model learns from.
    Train,
    /// What decides when to stop and which weights to keep.
    Validation,
    /// What the final figures are measured on.
    Test,
}

impl Part {
    /// Every part, in order.
    pub const ALL: [Part; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name, in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|part| part.name() == name)
            .ok_or_else(|| format!("{name:?} is not a part (`train`, `validation`, `test`)"))
    }
}

/// A labelled text.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The row's number for life: it stays the same through all stages.
    pub id: u64,
    /// The cleaned text.
    pub text: String,
    /// The cleaned second text, where rows are pairs of texts.
    pub pair: Option<String>,
    /// Indices in the [`LabelMap`](crate::LabelMap).
    pub labels: Vec<u32>,
    /// Rows of one group stay on one side of the split.
    pub group: Option<String>,
    /// What the row counts for in training; 1 is a plain row.
    pub weight: f32,
    /// The part that the source says it belongs to.
    pub part: Option<Part>,
}

/// A text as the model reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    /// The [`Example`]'s id.
    pub id: u64,
    /// Token ids, special tokens included, without padding.
    pub ids: Vec<u32>,
    /// The segment of every token; as long as `ids`.
    pub type_ids: Vec<u32>,
    /// Indices in the [`LabelMap`](crate::LabelMap).
    pub labels: Vec<u32>,
    /// What the row counts for in training.
    pub weight: f32,
    /// Tokens that were cut off by truncation.
    pub cut: u32,
}

/// What a model said about a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The [`Example`]'s id.
    pub id: u64,
    /// The true labels.
    pub labels: Vec<u32>,
    /// The predicted labels.
    pub predicted: Vec<u32>,
    /// One probability per label of the [`LabelMap`](crate::LabelMap), in its order.
    pub probabilities: Vec<f32>,
}
