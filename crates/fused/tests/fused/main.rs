//! Fused operations on tensors, on every CPU device, against the same functions written with Burn's own.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod attention;
mod embedding;
mod operations;
mod optimiser;
mod support;
