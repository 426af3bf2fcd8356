//! The classification head: from hidden states to one score per label.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::batch::Selection;
use crate::{Activation, Batch, Dropout, DropoutRng, LayerNorm, Linear, ModelError, NormConfig, ParameterSource};

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

/// The dense layer of a [`Head`], between pooling and the output layer.
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

/// The shape of a [`Head`].
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

/// Pooling, a dense layer, dropout, and the output layer.
#[derive(Module, Debug)]
pub struct Head {
    /// `[hidden, hidden]`.
    pub dense: Option<Linear>,
    /// Layer norm after the dense layer's activation.
    pub norm: Option<LayerNorm>,
    /// `[hidden, labels]`.
    pub output: Linear,
    #[module(skip)]
    config: HeadConfig,
}

impl Head {
    /// Takes `head.dense`, `head.norm` and `head.output` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &HeadConfig) -> Result<Self, ModelError> {
        let HeadConfig { hidden, labels, .. } = *config;
        let dense = config.dense.map(|dense| Linear::new(source, "head.dense", hidden, hidden, dense.bias));
        let dense = dense.transpose()?;
        let norm = config.dense.and_then(|dense| dense.norm);
        let norm = norm.map(|norm| LayerNorm::new(source, "head.norm", hidden, norm)).transpose()?;
        let output = Linear::new(source, "head.output", hidden, labels, config.output_bias)?;
        Ok(Self { dense, norm, output, config: config.clone() })
    }

    /// The tokens whose hidden states are pooled; `None` means all.
    pub(crate) fn reads(&self, batch: &Batch) -> Option<Selection> {
        match self.config.pooling {
            Pooling::First => Some(batch.select(|_| 0)),
            Pooling::Last => Some(batch.select(|row| batch.last[row])),
            Pooling::Mean => None,
        }
    }

    /// # Shapes
    /// - `x`: the hidden states of the tokens that it [reads](Self::reads)
    /// - output: `[rows, labels]`
    pub(crate) fn forward(&self, x: Tensor<3>, batch: &Batch, rng: &mut Option<&mut DropoutRng>) -> Tensor<2> {
        let mut pooled = match self.config.pooling {
            Pooling::First | Pooling::Last => x.reshape([batch.lengths.len(), self.config.hidden]),
            Pooling::Mean => mean(x, batch),
        };
        if let (Some(dense), Some(config)) = (&self.dense, &self.config.dense) {
            let dropout = Dropout { probability: config.dropout };
            pooled = dropout.forward(pooled, rng);
            pooled = match config.activation {
                Some(activation) => dense.activated(pooled, activation),
                None => dense.forward(pooled),
            };
            if let Some(norm) = &self.norm {
                pooled = norm.forward(pooled);
            }
        }
        let dropout = Dropout { probability: self.config.dropout };
        self.output.forward(dropout.forward(pooled, rng))
    }
}

/// The mean over each row's tokens.
///
/// # Shapes
/// - `x`: `[rows, length, hidden]`, or, packed, `[1, tokens, hidden]`
/// - output: `[rows, hidden]`
fn mean(x: Tensor<3>, batch: &Batch) -> Tensor<2> {
    let x = batch.pad(x);
    let [rows, length, hidden] = x.dims();
    let mut shares = vec![0.0f32; rows * length];
    for (row, &tokens) in shares.chunks_mut(length).zip(&batch.lengths) {
        row[..tokens].fill(1.0 / tokens as f32);
    }
    let shares = Tensor::<3>::from_data(TensorData::new(shares, [rows, 1, length]), &x.device());
    shares.matmul(x).reshape([rows, hidden])
}
