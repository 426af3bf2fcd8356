//! The feed-forward part of a layer.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::{Activation, Linear, ModelError, ParameterSource};

/// Up, activation, down.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[hidden, intermediate]`.
    pub up: Linear,
    /// `[intermediate, hidden]`.
    pub down: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// Takes `PATH.up` and `PATH.down` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        intermediate: usize,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            up: Linear::new(source, &format!("{path}.up"), hidden, intermediate)?,
            down: Linear::new(source, &format!("{path}.down"), intermediate, hidden)?,
            activation,
        })
    }

    /// # Shapes
    /// - `x` and output: `[rows, length, hidden]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.down.forward(self.activation.forward(self.up.forward(x)))
    }
}
