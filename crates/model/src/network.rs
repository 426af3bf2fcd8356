//! Encoder and head: all parameters of a classifier.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_arch::{ModelError, NetworkConfig};
use firebrand_fused::to_f32;

use crate::{Batch, DropoutRng, Encoder, Head, ParameterSource};

/// An encoder with a classification head.
#[derive(Module, Debug)]
pub struct Network {
    /// The pretrained encoder.
    pub encoder: Encoder,
    /// The classification head.
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

    /// The logits, in single precision; with dropout if `rng` is given.
    ///
    /// # Shapes
    /// - output: `[rows, labels]`
    pub fn forward(&self, batch: &Batch, mut rng: Option<&mut DropoutRng>) -> Tensor<2> {
        let x = self.encoder.forward(batch, self.head.reads(batch).as_ref(), &mut rng);
        to_f32(self.head.forward(x, batch, &mut rng))
    }
}
