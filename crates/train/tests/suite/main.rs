//! All integration tests of this crate, in one program: each program would link burn anew.
//!
//! What needs a process of its own (kills, Ctrl-C, another number of threads) starts the stage's program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod bad_inputs;
mod combinations;
mod deterministic;
mod devices;
mod early_stopping;
mod golden;
mod multi_label;
mod options;
mod precision;
#[cfg(unix)]
mod process;
mod resume;
mod short_runs;
mod superseded;
mod token_budget;
mod validations;
