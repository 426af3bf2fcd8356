//! Firebrand stage: adds marked variants to the training rows
