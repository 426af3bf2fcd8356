//! Classifiers of every family on every CPU device, in one program: each links everything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "says which fixture failed, and which weights are not at hand")]

#[path = "../support/mod.rs"]
mod support;

mod golden;
mod int8;
mod parameters;
mod precision;
mod pretrained;
mod round_trip;
