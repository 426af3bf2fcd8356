//! Pretrained encoders with a classification head, on Burn.
//!
//! A [`Classifier`] is read from and written to a directory in the Hugging Face hub's layout. A model family (BERT, …) is a
//! translation, not a model of its own: one [`Network`] is built from independent parts, and a file per family in `family/`
//! translates the hub's `config.json` into a [`NetworkConfig`] and tensor names into parameter paths.
//!
//! [`Classifier::save_int8`] writes the same model at a quarter of the size, with int8 weights.
//!
//! Invariants: this crate knows neither stages nor runs; only it knows tensor names; padding never changes a result.

mod activation;
mod attention;
mod batch;
mod checkpoint;
mod classifier;
mod config;
mod convolution;
#[cfg(any(feature = "cuda", test))]
mod cuda;
mod device;
mod dropout;
mod embeddings;
mod encoder;
mod error;
mod facts;
mod family;
mod head;
mod layer;
mod linear;
mod loss;
mod mlp;
mod network;
mod norm;
mod quantize;
mod random;

pub use activation::Activation;
pub use attention::{
    Attention, AttentionConfig, DisentangledAttention, DisentangledConfig, LocalAttention, Relative, SelfAttention,
    TransformerXlAttention,
};
pub use batch::{Batch, Tokens};
pub use checkpoint::{
    LoadReport, ParameterSource, QuantizedTensor, SafetensorsFile, Weights, is_path_segment, named_parameters,
    write_safetensors,
};
pub use classifier::{Classifier, StartFrom, StartHead};
pub use config::{HubConfig, ModelConfig, ProblemType};
pub use convolution::{Convolution, ConvolutionConfig};
pub use device::{AllocatorSetting, CPU_DEVICES, device, keep_freed_memory};
pub use dropout::{Dropout, DropoutRng};
pub use embeddings::{Embeddings, EmbeddingsConfig, EmbeddingsNorm, PositionsConfig, ProjectionConfig};
pub use encoder::{DistanceTable, Encoder, EncoderConfig};
pub use error::ModelError;
pub use facts::{HeadFacts, HeadTensor, ModelFacts, ParameterFacts, SizeFacts, WeightFacts, inspect};
pub use family::Family;
pub use head::{DenseConfig, Head, HeadConfig, Pooling};
pub use layer::{EncoderLayer, LayerConfig, NormPlacement};
pub use linear::Linear;
pub use loss::{binary_cross_entropy, cross_entropy, sigmoid, softmax};
pub use mlp::{Mlp, MlpConfig};
pub use network::{Network, NetworkConfig};
pub use norm::{LayerNorm, NormConfig};
pub use quantize::Int8Matrix;
pub use random::Initializer;
