//! The kernels as Burn operations with a backward pass of their own.
//!
//! On the `flex` device, in single precision, each of these is one node of the autodiff graph and one or two passes over
//! memory. On any other device, and for other kinds of numbers, it is the same function composed of Burn's operations,
//! with dropout masks made from the same random numbers. Inputs that are given away, not cloned, may be overwritten in place.

mod attention;
mod cast;
mod compose;
mod embedding;
mod gelu;
mod linear;
mod norm;
#[cfg(feature = "flex")]
mod operation;
mod optimiser;
mod padding;
mod softmax;

pub use attention::{AttentionOptions, LinearMap, attention, self_attention};
pub use cast::{halved, matmul, single};
pub use embedding::{RowGradients, embedding};
pub use gelu::bias_gelu;
pub use linear::linear;
pub use norm::{dropout, dropout_residual_norm, norm};
pub use optimiser::{adamw, adamw_rows, add_rows, sum_of_squares};
pub use padding::{packs, pad, unpad};
pub use softmax::softmax_dropout;
