//! What a text classifier of the Hugging Face hub consists of: its configuration, its parameters, and the files that hold them.
//!
//! A model family (BERT, …) is a translation, not a model of its own: a file per family in `family/` translates the hub's
//! `config.json` into a [`NetworkConfig`], whose parts are independent, and the names of stored tensors into the paths of
//! [`parameters`]. [`Pretrained`] opens a directory in the hub's layout and accounts for every tensor in it;
//! [`Int8Checkpoint`] opens the same model with int8 weights. Nothing is computed here: a crate that computes asks for
//! parameters by path.
//!
//! ```no_run
//! use firebrand_arch::Pretrained;
//!
//! # fn main() -> Result<(), firebrand_arch::ModelError> {
//! let model = Pretrained::open("bundle".as_ref())?;
//! let embeddings = &model.config().network.encoder.embeddings;
//! let table = model.parameter("encoder.embeddings.token", &[embeddings.vocabulary, embeddings.size])?;
//! # let _ = table;
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: this crate has no tensor library and knows neither stages nor runs; only it knows the tensor names of the hub;
//! files are untrusted, so a damaged or hostile one is an error and takes little memory.

mod checkpoint;
mod config;
pub mod distances;
mod error;
mod facts;
mod family;
mod network;
mod pretrained;
mod probabilities;
mod quantize;
mod start;
mod tokens;

pub use checkpoint::{
    FloatTensor, INT8_FILE, Int8Checkpoint, LoadReport, QuantizedTensor, SafetensorsFile, TensorValues, TensorView,
    Weights, save_int8, save_parameters, write_safetensors,
};
pub use config::{HubConfig, ModelConfig, ProblemType};
pub use error::ModelError;
pub use facts::{HeadFacts, HeadTensor, ModelFacts, ParameterFacts, SizeFacts, WeightFacts, inspect};
pub use family::Family;
pub use network::{
    Activation, AttentionConfig, ConvolutionConfig, DenseConfig, DisentangledConfig, EmbeddingsConfig, EmbeddingsNorm,
    EncoderConfig, HeadConfig, LayerConfig, LocalAttention, MlpConfig, NetworkConfig, NormConfig, NormPlacement,
    Pooling, PositionsConfig, ProjectionConfig, Relative, parameters,
};
pub use pretrained::Pretrained;
pub use probabilities::{sigmoid, softmax};
pub use quantize::Int8Matrix;
pub use start::{StartFrom, StartHead};
pub use tokens::Tokens;
