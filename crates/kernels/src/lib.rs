//! Fused CPU operations for training transformers.
//!
//! A training step's matrix products are fast; what stands around them, one whole pass over memory for each addition,
//! scaling, mask and activation, costs more than they do. Each kernel here does the work of several such passes in one.
//!
//! The modules below work on slices of `f32`, in place where that saves a pass. Each takes the instruction set as its
//! first argument: `Arch::new()` finds the best one of the machine at run time (AVX-512, AVX2, NEON), and
//! `Arch::Scalar` is the portable one. Work is cut into pieces by shape alone and sums of pieces are taken in order, so
//! results have the same bits for any number of threads.
//!
//! [`fused`] makes Burn operations of them, with their own backward pass, for the `flex` device; on other devices the same
//! functions compose Burn's own operations.

#[macro_use]
mod simd;

pub mod adamw;
pub mod attention;
pub mod bf16;
pub mod dropout;
pub mod embedding;
pub mod fused;
pub mod gelu;
pub mod linear;
pub mod math;
pub mod norm;
pub mod philox;
mod pool;
mod precision;
mod product;
pub mod reduce;
pub mod softmax;
#[cfg(test)]
mod testing;
mod texts;

pub use dropout::Mask;
pub use gelu::Gelu;
pub use pool::within_pool;
pub use precision::{Half, Precision};
pub use pulp::Arch;
pub use texts::Texts;
