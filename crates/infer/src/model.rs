//! From tokens to logits.

use std::num::NonZeroUsize;
use std::path::Path;

use firebrand_arch::{INT8_FILE, ModelConfig, Tokens};
use firebrand_kernels::inference::Isa;

use crate::engine::Engine;
use crate::weights::Weights;
use crate::{Error, Options, Precision, Result, integrity};

/// A fine-tuned model without its tokenizer: for rows that are tokenized already. Can be shared between threads.
#[derive(Debug)]
pub struct Model {
    engine: Engine,
    config: ModelConfig,
    precision: Precision,
}

impl Model {
    /// Opens the model of a bundle or of any directory in the hub's layout.
    ///
    /// # Errors
    /// When a file is missing or damaged; and when the environment variable [`Isa::VARIABLE`] names an instruction set that the
    /// processor lacks.
    pub fn open(directory: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let directory = directory.as_ref();
        Self::load(directory, options, Self::check(directory, options)?)
    }

    /// Checks a directory before anything of it is read. Returns the precision that it is to be opened in.
    pub(crate) fn check(directory: &Path, options: &Options) -> Result<Precision> {
        integrity::check_directory(directory)?;
        let stored = if directory.join(INT8_FILE).is_file() { Precision::Int8 } else { Precision::Fp32 };
        let precision = options.precision.unwrap_or(stored);
        integrity::check_files(directory, precision)?;
        Ok(precision)
    }

    /// Opens the model of a directory that passed the [check](Self::check).
    pub(crate) fn load(directory: &Path, options: &Options, precision: Precision) -> Result<Self> {
        let isa = Isa::chosen().map_err(Error::config)?;
        let weights = Weights::open(directory, precision)?;
        let threads =
            options.threads.unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let engine = Engine::new(weights.config(), &weights, isa, threads)?;
        Ok(Self { engine, config: weights.config().clone(), precision })
    }

    /// The logits of rows of tokens, in their order: `[rows][labels]`.
    ///
    /// # Errors
    /// When a row is empty, longer than the model takes, or has a token or type that the model does not have.
    pub fn logits(&self, rows: &[Tokens<'_>]) -> Result<Vec<Vec<f32>>> {
        self.engine.logits(rows)
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The arithmetic of its linear layers.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The instruction set that it computes with.
    pub fn isa(&self) -> Isa {
        self.engine.isa()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}
