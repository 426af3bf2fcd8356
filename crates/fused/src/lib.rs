//! The [kernels](firebrand_kernels) as Burn operations with their own backward pass.
//!
//! On the `flex` device, in single precision, each of these is one node of the autodiff graph and one or two passes over
//! memory. On other devices and for other element types, the same function is composed of Burn's operations, with dropout masks
//! from the same random numbers. An input whose last handle is passed in may be overwritten.

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

pub use attention::{AttentionOptions, Projection, attention, self_attention, window_bias};
pub use cast::{matmul, to_f32, to_half};
pub use embedding::{RowGradients, embedding};
pub use gelu::bias_gelu;
pub use linear::linear;
pub use norm::{dropout, dropout_residual_norm, norm};
pub use optimiser::{adamw, adamw_rows, add_rows, sum_of_squares};
pub use padding::{packs, pad, unpad};
pub use softmax::softmax_dropout;
