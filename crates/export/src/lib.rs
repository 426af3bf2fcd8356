//! Firebrand stage: makes the bundle that is deployed
