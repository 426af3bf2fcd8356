//! Logits of tokenized rows, for the stages that measure a model: on a CPU by the engine that answers in production
//! ([`firebrand_infer`]), so that what is measured is what ships; on other devices by the training stack
//! ([`firebrand_model`]).

use std::path::Path;

use firebrand_arch::{ModelConfig, Tokens};
pub use firebrand_infer::Precision;
use firebrand_infer::{Model, Options};
use firebrand_model::{CPU_DEVICES, Classifier};
use firebrand_pipeline::{Error, Result, ResultExt};

/// Rows that the engine computes between two reports of progress.
const STEP: usize = 512;

/// A model that computes logits.
#[derive(Debug)]
pub struct Scorer(Engine);

#[derive(Debug)]
enum Engine {
    Cpu(Box<Model>),
    Device(Box<Classifier>),
}

impl Scorer {
    /// Opens the model of a directory in the hub's layout. On a device other than a CPU, int8 weights are dequantised.
    ///
    /// # Errors
    /// When the device is unavailable, or the model is incomplete or damaged.
    pub fn open(directory: &Path, device: &str, precision: Precision) -> Result<Self> {
        if CPU_DEVICES.contains(&device) {
            let options = Options { precision: Some(precision), ..Options::default() };
            return Ok(Self(Engine::Cpu(Box::new(Model::open(directory, &options)?))));
        }
        let device = firebrand_model::device(device)
            .map_err(|error| Error::key("device", format!("cannot be used: {error}")))?;
        let classifier = match precision {
            Precision::Fp32 => Classifier::load(directory, &device),
            Precision::Int8 => Classifier::load_int8(directory, &device),
        };
        let classifier = classifier.or_data(|| format!("cannot load the model in {}", directory.display()))?;
        Ok(Self(Engine::Device(Box::new(classifier))))
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        match &self.0 {
            Engine::Cpu(model) => model.config(),
            Engine::Device(classifier) => classifier.config(),
        }
    }

    /// The logits of each row, `[rows][labels]`. `batch_size` is the number of rows that a device computes at once; on a CPU, it
    /// has no influence. `progress` is told the number of rows that were computed since its last call.
    ///
    /// # Errors
    /// When a row is empty, too long, or has tokens that the model does not have.
    pub fn logits(
        &self,
        rows: &[Tokens<'_>],
        batch_size: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<f32>>> {
        const WHAT: &str = "the model cannot classify the tokenized rows";
        match &self.0 {
            Engine::Cpu(model) => {
                let mut logits = Vec::with_capacity(rows.len());
                for rows in rows.chunks(STEP) {
                    logits.extend(model.logits(rows).map_err(|error| error.context(WHAT))?);
                    progress(rows.len() as u64);
                }
                Ok(logits)
            }
            Engine::Device(classifier) => classifier.logits(rows, batch_size, progress).or_data(|| WHAT.to_owned()),
        }
    }
}
