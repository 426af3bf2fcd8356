//! What makes one validation better than another.

use serde::{Deserialize, Serialize};

use crate::EpochFigures;

/// The figure by which the best parameters are chosen, and for want of which training stops early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean loss: the lower, the better.
    #[default]
    Loss,
    /// Share of rows labelled right: the higher, the better.
    Accuracy,
    /// F1, every label weighing the same: the higher, the better.
    MacroF1,
    /// F1 of all decisions together, the higher, the better. With one label per row that is the accuracy.
    MicroF1,
}

impl Metric {
    /// A number that is the higher, the better.
    pub(crate) fn score(self, figures: &EpochFigures) -> f64 {
        match self {
            Self::Loss => -figures.validation_loss,
            Self::Accuracy => figures.validation_accuracy,
            Self::MacroF1 => figures.validation_macro_f1,
            Self::MicroF1 => figures.validation_micro_f1.unwrap_or(figures.validation_accuracy),
        }
    }

    /// What validations without it have not brought.
    pub(crate) fn progress(self) -> &'static str {
        match self {
            Self::Loss => "a lower loss",
            Self::Accuracy => "a higher accuracy",
            Self::MacroF1 => "a higher macro F1",
            Self::MicroF1 => "a higher micro F1",
        }
    }
}
