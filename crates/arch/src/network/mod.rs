//! The shape of a network: an encoder of configurable parts, and a classification head.

mod activation;
mod attention;
mod embeddings;
mod encoder;
mod head;
mod parameters;

use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use attention::{AttentionConfig, DisentangledConfig, LocalAttention, Relative};
pub use embeddings::{EmbeddingsConfig, EmbeddingsNorm, PositionsConfig, ProjectionConfig};
pub use encoder::{ConvolutionConfig, EncoderConfig, LayerConfig, MlpConfig, NormConfig, NormPlacement};
pub use head::{DenseConfig, HeadConfig, Pooling};
pub use parameters::parameters;

/// The shape of an encoder with a classification head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The pretrained encoder.
    pub encoder: EncoderConfig,
    /// The classification head.
    pub head: HeadConfig,
}
