//! Fused CPU kernels for transformers, without a tensor library.
//!
//! The matrix products of a training step are fast; the operations around them (bias, scaling, mask, activation, dropout), each
//! a pass over memory of its own, cost more than the products. Each kernel here does the work of several such passes in one.
//!
//! The modules below work on slices of `f32`, in place where that saves a pass. Most take the instruction set as their first
//! argument: `Arch::new()` detects the best one at run time (AVX-512, AVX2, NEON), `Arch::Scalar` is the portable one. Work is
//! split by shape alone and partial sums are added in order, so results are equal to the bit for any number of threads. NaN in
//! the input stays NaN in the output, with every instruction set.
//!
//! The crate `firebrand-fused` wraps them as Burn operations with their own backward pass.

#[macro_use]
mod simd;

pub mod adamw;
pub mod attention;
pub mod bf16;
pub mod dropout;
pub mod embedding;
pub mod gelu;
pub mod inference;
pub mod linear;
pub mod math;
pub mod norm;
pub mod philox;
mod pool;
mod precision;
mod product;
pub mod reduce;
mod scope;
pub mod softmax;
#[cfg(test)]
mod testing;
mod texts;
mod uninit;

pub use attention::Window;
pub use dropout::Mask;
pub use gelu::Gelu;
pub use pool::within_pool;
pub use precision::{Half, Precision};
pub use pulp::Arch;
pub use scope::with_value;
pub use texts::Texts;
