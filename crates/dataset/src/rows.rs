//! Row types.

use std::fmt;
use std::str::FromStr;

/// The split that a row belongs to: train, validation or test (column `part`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Rows that the model is trained on.
    Train,
    /// Rows for early stopping and for choosing the best weights.
    Validation,
    /// Rows that the final metrics are computed on.
    Test,
}

impl Part {
    /// All splits, in order.
    pub const ALL: [Part; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name in files and messages.
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
    /// Identifies the row through all stages.
    pub id: u64,
    /// The cleaned text.
    pub text: String,
    /// The cleaned second text of a pair; `None` for single texts.
    pub pair: Option<String>,
    /// Indices in the [`LabelMap`](crate::LabelMap).
    pub labels: Vec<u32>,
    /// Rows of one group stay in the same split; `None` for rows without a group.
    pub group: Option<String>,
    /// The row's weight in the training loss; 1 by default.
    pub weight: f32,
    /// The split that the data assigns the row to; `None` if it is drawn.
    pub part: Option<Part>,
}

/// A tokenized text.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    /// The [`Example`]'s id.
    pub id: u64,
    /// Token ids, special tokens included, without padding.
    pub ids: Vec<u32>,
    /// Token type (segment) ids, one per token.
    pub type_ids: Vec<u32>,
    /// Indices in the [`LabelMap`](crate::LabelMap).
    pub labels: Vec<u32>,
    /// The row's weight in the training loss.
    pub weight: f32,
    /// Number of tokens removed by truncation.
    pub cut: u32,
}

/// A model's prediction for a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The [`Example`]'s id.
    pub id: u64,
    /// The true labels.
    pub labels: Vec<u32>,
    /// The predicted labels.
    pub predicted: Vec<u32>,
    /// One probability per label, in the order of the [`LabelMap`](crate::LabelMap).
    pub probabilities: Vec<f32>,
}
