//! From hidden states to one score per label.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Activation, Dropout, DropoutRng, Linear, ModelError, ParameterSource};

/// The shape of a [`Head`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of labels.
    pub labels: usize,
    /// After the dense map.
    pub activation: Activation,
    /// Probability of dropout before the output map.
    pub dropout: f64,
}

/// The first token's state, a dense map with activation, dropout, and the output map.
#[derive(Module, Debug)]
pub struct Head {
    /// `[hidden, hidden]`.
    pub dense: Linear,
    /// `[hidden, labels]`.
    pub output: Linear,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: Dropout,
}

impl Head {
    /// Takes `head.dense` and `head.output` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &HeadConfig) -> Result<Self, ModelError> {
        Ok(Self {
            dense: Linear::new(source, "head.dense", config.hidden, config.hidden)?,
            output: Linear::new(source, "head.output", config.hidden, config.labels)?,
            activation: config.activation,
            dropout: Dropout { probability: config.dropout },
        })
    }

    /// # Shapes
    /// - `x`: `[rows, length, hidden]`
    /// - output: `[rows, labels]`
    pub fn forward(&self, x: Tensor<3>, rng: &mut Option<&mut DropoutRng>) -> Tensor<2> {
        let [rows, _, hidden] = x.dims();
        let first = x.slice([0..rows, 0..1, 0..hidden]).reshape([rows, hidden]);
        let pooled = self.activation.forward(self.dense.forward(first));
        self.output.forward(self.dropout.forward(pooled, rng))
    }
}
