//! Pretrained encoders with a classification head, on Burn.
//!
//! A [`Classifier`] is read from and written to a directory in the Hugging Face hub's layout. What such a directory holds, and
//! how each model family is described, is the business of [`firebrand_arch`]; here, one [`Network`] is built of independent
//! parts, as a [`NetworkConfig`](firebrand_arch::NetworkConfig) says, and computes.
//!
//! [`Classifier::save_int8`] writes the same model at a quarter of the size, with int8 weights.
//!
//! Invariants: this crate knows neither stages nor runs, nor the tensor names of the hub; padding never changes a result.

mod activation;
mod attention;
mod batch;
mod classifier;
mod convolution;
#[cfg(any(feature = "cuda", test))]
mod cuda;
mod device;
mod dropout;
mod embeddings;
mod encoder;
mod head;
mod layer;
mod linear;
mod loss;
mod mlp;
mod network;
mod norm;
mod random;
mod source;

pub use attention::{Attention, DisentangledAttention, SelfAttention, TransformerXlAttention};
pub use batch::Batch;
pub use classifier::Classifier;
pub use convolution::Convolution;
pub use device::{AllocatorSetting, CPU_DEVICES, device, keep_freed_memory};
pub use dropout::{Dropout, DropoutRng};
pub use embeddings::Embeddings;
pub use encoder::{DistanceTable, Encoder};
pub use firebrand_arch::Tokens;
pub use head::Head;
pub use layer::EncoderLayer;
pub use linear::Linear;
pub use loss::{binary_cross_entropy, cross_entropy};
pub use mlp::Mlp;
pub use network::Network;
pub use norm::LayerNorm;
pub use random::Initializer;
pub use source::{ParameterSource, is_path_segment, named_parameters, tensor_view};
