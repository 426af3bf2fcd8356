//! Firebrand stage: raw files into rows of text and labels
