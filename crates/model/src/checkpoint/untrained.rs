//! Parameters that were never trained.

use burn::tensor::{Device, TensorData};

use super::ParameterSource;
use crate::ModelError;
use crate::random::normal;

/// Weights from a normal distribution, norms at one, biases at zero.
pub(crate) struct Untrained<'a> {
    seed: u64,
    deviation: f64,
    device: &'a Device,
    /// Parameters made so far: each has its own random sequence.
    made: u32,
}

impl<'a> Untrained<'a> {
    pub(crate) fn new(seed: u64, deviation: f64, device: &'a Device) -> Self {
        Self { seed, deviation, device, made: 0 }
    }
}

impl ParameterSource for Untrained<'_> {
    fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError> {
        self.made += 1;
        let length = shape.iter().product();
        let values = if path.ends_with("norm.weight") {
            vec![1.0; length]
        } else if path.ends_with(".bias") {
            vec![0.0; length]
        } else {
            normal(self.seed, self.made, length, self.deviation)
        };
        Ok(TensorData::new(values, shape.to_vec()))
    }

    fn device(&self) -> &Device {
        self.device
    }
}
