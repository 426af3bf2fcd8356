//! The metric that ranks validations.

use serde::{Deserialize, Serialize};

use crate::Validation;

/// The metric that decides which parameters are best, and when training stops early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean loss; lower is better.
    #[default]
    Loss,
    /// Share of rows whose labels are all right; higher is better.
    Accuracy,
    /// F1 averaged over labels; higher is better.
    MacroF1,
    /// F1 over all decisions; higher is better. With one label per row it equals accuracy.
    MicroF1,
}

impl Metric {
    /// The metric as a number of which higher is better.
    pub(crate) fn score(self, validation: &Validation) -> f64 {
        match self {
            Self::Loss => -validation.loss,
            Self::Accuracy => validation.accuracy,
            Self::MacroF1 => validation.macro_f1,
            Self::MicroF1 => validation.micro_f1.unwrap_or(validation.accuracy),
        }
    }

    /// What the validations before an early stop did not bring.
    pub(crate) fn progress(self) -> &'static str {
        match self {
            Self::Loss => "a lower loss",
            Self::Accuracy => "a higher accuracy",
            Self::MacroF1 => "a higher macro F1",
            Self::MicroF1 => "a higher micro F1",
        }
    }
}
