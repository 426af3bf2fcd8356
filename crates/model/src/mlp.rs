//! The feed-forward part of a layer.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Activation, Dropout, DropoutRng, Linear, ModelError, ParameterSource};

/// The shape of an [`Mlp`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MlpConfig {
    /// Width between the two maps.
    pub intermediate: usize,
    /// Between the two maps.
    pub activation: Activation,
    /// Whether a third map's answer is multiplied in after the activation ([arXiv 2002.05202](https://arxiv.org/abs/2002.05202)).
    pub gated: bool,
    /// Whether the maps have biases.
    pub bias: bool,
    /// Probability of dropout before the second map.
    pub dropout: f64,
}

/// Up, activation, down.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[hidden, intermediate]`.
    pub up: Linear,
    /// `[hidden, intermediate]`, where there is a gate.
    pub gate: Option<Linear>,
    /// `[intermediate, hidden]`.
    pub down: Linear,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: Dropout,
}

impl Mlp {
    /// Takes `PATH.up`, `PATH.gate` and `PATH.down` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &MlpConfig,
    ) -> Result<Self, ModelError> {
        let mut linear =
            |name: &str, inputs, outputs| Linear::new(source, &format!("{path}.{name}"), inputs, outputs, config.bias);
        Ok(Self {
            up: linear("up", hidden, config.intermediate)?,
            gate: config.gated.then(|| linear("gate", hidden, config.intermediate)).transpose()?,
            down: linear("down", config.intermediate, hidden)?,
            activation: config.activation,
            dropout: Dropout { probability: config.dropout },
        })
    }

    /// # Shapes
    /// - `x` and output: `[rows, length, hidden]`
    pub fn forward(&self, x: Tensor<3>, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let gate = self.gate.as_ref().map(|gate| gate.forward(x.clone()));
        let mut inner = self.up.activated(x, self.activation);
        if let Some(gate) = gate {
            inner = inner * gate;
        }
        self.down.forward(self.dropout.forward(inner, rng))
    }
}
