//! Why predictions cannot be measured.

use std::fmt;

/// Why predictions cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricsError {
    /// There is nothing to measure.
    NoRows,
    /// Fewer than two classes.
    Classes(usize),
    /// Two lists that describe the same rows differ in length.
    Lengths {
        /// What the second list holds.
        what: &'static str,
        /// Entries in the first list.
        expected: usize,
        /// Entries in the second list.
        found: usize,
    },
    /// A class index beyond the last class.
    Class {
        /// The row, from zero.
        row: usize,
        /// The index.
        index: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// A row without exactly one label, where each must have one.
    NotOneLabel {
        /// The row, from zero.
        row: usize,
        /// How many labels it has.
        labels: usize,
    },
    /// A class that a row has twice.
    Twice {
        /// The row, from zero.
        row: usize,
        /// The class.
        index: u32,
    },
    /// A row of probabilities that is not a distribution.
    Probabilities {
        /// The row, from zero.
        row: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRows => write!(f, "there are no rows to measure"),
            Self::Classes(classes) => write!(f, "{classes} classes, but a classifier has at least two"),
            Self::Lengths { what, expected, found } => write!(f, "{expected} rows, but {found} {what}"),
            Self::Class { row, index, classes } => {
                write!(f, "row {row} has class {index}, but there are {classes} classes (0 to {})", classes - 1)
            }
            Self::NotOneLabel { row, labels } => {
                write!(f, "row {row} has {labels} labels, but the task has exactly one per row")
            }
            Self::Twice { row, index } => write!(f, "row {row} has class {index} twice"),
            Self::Probabilities { row, problem } => write!(f, "row {row}: {problem}"),
        }
    }
}

impl std::error::Error for MetricsError {}
