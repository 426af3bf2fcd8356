//! Firebrand stage: texts into token ids
