//! The runner on stages that are quick and controlled by the tests (`examples/fake_stage.rs`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fake;

#[cfg(unix)]
mod failures;
mod freshness;
mod help;
#[cfg(target_os = "linux")]
mod kills;
