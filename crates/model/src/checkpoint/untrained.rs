//! Freshly initialised parameters.

use burn::tensor::{Device, TensorData};

use super::ParameterSource;
use crate::ModelError;
use crate::random::Initializer;

/// Weights drawn from a normal distribution, norms at one, biases at zero.
pub(crate) struct Untrained<'a> {
    initializer: Initializer,
    device: &'a Device,
}

impl<'a> Untrained<'a> {
    pub(crate) fn new(seed: u64, deviation: f64, device: &'a Device) -> Self {
        Self { initializer: Initializer::new(seed, Initializer::MODEL, deviation), device }
    }
}

impl ParameterSource for Untrained<'_> {
    fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError> {
        let values = self.initializer.values(path, shape.iter().product());
        Ok(TensorData::new(values, shape.to_vec()))
    }

    fn device(&self) -> &Device {
        self.device
    }
}
