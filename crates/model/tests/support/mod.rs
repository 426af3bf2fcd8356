//! What the golden tests of this crate and of `train` share: fixtures, their rows, and comparisons.

mod fixtures;

use burn::tensor::Device;
use firebrand_model::{Classifier, device};
use serde_json::Value;

pub(crate) use fixtures::*;

/// Every CPU device that this project knows.
pub(crate) use firebrand_model::CPU_DEVICES as DEVICES;

/// Calls a check with every fixture of `models/` that a known family can read, on every CPU device.
pub(crate) fn for_each_fixture(mut check: impl FnMut(&Fixture, &Device)) {
    for fixture in fixtures() {
        for name in DEVICES {
            eprintln!("{} on {name}", fixture.directory.display());
            check(&fixture, &device(name).unwrap());
        }
    }
}

impl Fixture {
    /// The classifier, recording gradients.
    pub(crate) fn classifier(&self, device: &Device) -> Classifier {
        Classifier::load(&self.directory, &device.clone().autodiff()).unwrap()
    }

    /// The room that float32 needs, as measured by the reference against its own float64 copy.
    pub(crate) fn tolerance(&self) -> f64 {
        match self.expected["max_abs_float32_minus_float64"].as_f64() {
            Some(distance) => (2.0 * distance).max(2e-5),
            // The reference has no float64 copy of ModernBERT, whose rounding grows with its depth: 1.5e-5 was found by hand
            // for seven layers, which makes 2e-5 right for three.
            None => {
                let config = read_json(&self.directory.join("config.json"));
                2e-5 * (config["num_hidden_layers"].as_f64().unwrap() / 3.0).max(1.0)
            }
        }
    }

    /// Each row's labels: one, or any number where the fixture has 0 or 1 for each label.
    pub(crate) fn labels(&self) -> Vec<Vec<u32>> {
        let row = |row: &Value| match row.as_array() {
            Some(flags) => (0..).zip(flags).filter(|(_, flag)| flag.as_f64() == Some(1.0)).map(|(at, _)| at).collect(),
            None => vec![u32::try_from(row.as_u64().unwrap()).unwrap()],
        };
        self.expected["labels"].as_array().unwrap().iter().map(row).collect()
    }
}

pub(crate) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
