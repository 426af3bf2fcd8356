//! No code: this crate's dependencies unify features.
//!
//! Cargo unites the features of the packages that it builds together, so without this crate `cargo test -p firebrand-model`
//! and `cargo build --workspace` would compile burn and polars separately. Every crate that needs one of them depends on this one,
//! which asks for the union of all features of the shared dependencies. `scripts/unify_features.py` writes the list.
