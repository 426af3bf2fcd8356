//! The runner on the real stages.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

mod bad_inputs;
mod end_to_end;
