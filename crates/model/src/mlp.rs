//! The feed-forward part of a transformer layer.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_arch::{Activation, MlpConfig, ModelError};

use crate::{Dropout, DropoutRng, Linear, ParameterSource};

/// Two linear layers with an activation function between them.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[hidden, intermediate]`.
    pub up: Linear,
    /// `[hidden, intermediate]`, if gated.
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
