//! Encoder and head: everything that has parameters.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_kernels::fused::single;
use serde::{Deserialize, Serialize};

use crate::{Batch, DropoutRng, Encoder, EncoderConfig, Head, HeadConfig, ModelError, ParameterSource};

/// The shape of a [`Network`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The pretrained part.
    pub encoder: EncoderConfig,
    /// The part that is made for the labels at hand.
    pub head: HeadConfig,
}

/// An encoder with a classification head.
#[derive(Module, Debug)]
pub struct Network {
    /// The pretrained part.
    pub encoder: Encoder,
    /// The part that is made for the labels at hand.
    pub head: Head,
}

impl Network {
    /// Takes every parameter from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &NetworkConfig) -> Result<Self, ModelError> {
        Ok(Self { encoder: Encoder::new(source, &config.encoder)?, head: Head::new(source, &config.head)? })
    }

    /// Scores before softmax, in single precision; with dropout when `rng` is given.
    ///
    /// # Shapes
    /// - output: `[rows, labels]`
    pub fn forward(&self, batch: &Batch, mut rng: Option<&mut DropoutRng>) -> Tensor<2> {
        let x = self.encoder.forward(batch, self.head.reads(batch).as_ref(), &mut rng);
        single(self.head.forward(x, batch, &mut rng))
    }
}
