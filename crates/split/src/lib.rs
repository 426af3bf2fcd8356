//! Firebrand stage: rows into training, validation and test rows
