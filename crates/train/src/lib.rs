//! Firebrand stage: fine-tunes the model
