//! The shape of the classification head.

use serde::{Deserialize, Serialize};

use super::{Activation, NormConfig};

/// How a row's hidden states are pooled into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The first token's.
    First,
    /// That of the last token that is not padding.
    Last,
    /// The mean over the tokens.
    Mean,
}

/// The dense layer of a head, between pooling and the output layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DenseConfig {
    /// Dropout probability before it.
    pub dropout: f64,
    /// Whether it has a bias.
    pub bias: bool,
    /// Activation function after it.
    pub activation: Option<Activation>,
    /// Layer norm after the activation.
    pub norm: Option<NormConfig>,
}

/// The shape of a head: pooling, a dense layer, and the output layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of labels.
    pub labels: usize,
    /// How hidden states are pooled.
    pub pooling: Pooling,
    /// The dense layer before the output layer, if the model has one.
    pub dense: Option<DenseConfig>,
    /// Dropout probability before the output layer.
    pub dropout: f64,
    /// Whether the output layer has a bias.
    pub output_bias: bool,
}

impl HeadConfig {
    /// A head for the mean of the hidden states instead: for sentence models, which were trained with mean pooling. The dense
    /// layer, which was trained for another pooled output, is left out.
    pub(crate) fn mean_pooled(self) -> Self {
        Self { pooling: Pooling::Mean, dense: None, output_bias: true, ..self }
    }
}
