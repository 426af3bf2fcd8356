//! The classification head: from hidden states to one score per label.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use firebrand_arch::{HeadConfig, ModelError, Pooling};

use crate::batch::Selection;
use crate::{Batch, Dropout, DropoutRng, LayerNorm, Linear, ParameterSource};

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
