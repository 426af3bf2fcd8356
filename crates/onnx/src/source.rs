//! A directory's parameters.

use std::path::Path;

use firebrand_arch::{INT8_FILE, Int8Checkpoint, Int8Matrix, ModelConfig, ModelError, Pretrained};
use firebrand_pipeline::{Error, Result, ResultExt};

use crate::Precision;

/// Parameters to be read on demand.
#[derive(Debug)]
pub(crate) enum Source {
    /// Stored as floats.
    Stored(Pretrained),
    /// Stored as int8.
    Int8 { model: Int8Checkpoint, config: ModelConfig },
}

impl Source {
    /// Opens a directory: for int8 its weights in int8, if it has any, and otherwise those in floats.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit `config.json`.
    pub(crate) fn open(directory: &Path, precision: Precision) -> Result<Self> {
        let explain = |error: ModelError| {
            Error::data(format!("cannot load the model in {}", directory.display())).caused_by(&error).hint(
                "give the directory of a sequence classifier: a bundle, or one in the hub's layout with config.json and weights",
            )
        };
        let int8 = directory.join(INT8_FILE);
        if precision == Precision::Int8 && int8.is_file() {
            let (_, config) = ModelConfig::read(directory).map_err(explain)?;
            let model = Int8Checkpoint::open(&int8, &config).map_err(explain)?;
            return Ok(Self::Int8 { model, config });
        }
        Ok(Self::Stored(Pretrained::open(directory).map_err(explain)?))
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Self::Stored(model) => model.config(),
            Self::Int8 { config, .. } => config,
        }
    }

    /// A parameter as float32, row-major. Weights of linear layers are `[inputs, outputs]`.
    ///
    /// # Errors
    /// When it cannot be read, or holds a number that is not finite.
    pub(crate) fn floats(&self, path: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values = match self {
            Self::Stored(model) => model.parameter(path, shape),
            Self::Int8 { model, .. } => model.parameter(path, shape),
        };
        values.or_data(|| cannot_read(path))
    }

    /// The weight of a linear layer as int8, `[outputs, inputs]` with a scale for each output.
    ///
    /// # Errors
    /// As of [`floats`](Self::floats).
    pub(crate) fn int8_weight(&self, path: &str, [inputs, outputs]: [usize; 2]) -> Result<Int8Matrix> {
        let shape = [inputs, outputs];
        let floats = match self {
            Self::Stored(model) => model.parameter_transposed(path, shape),
            Self::Int8 { model, .. } => {
                if let Some(matrix) = model.matrix(path, shape).or_data(|| cannot_read(path))? {
                    return Ok(matrix);
                }
                model.parameter_transposed(path, shape)
            }
        };
        Ok(Int8Matrix::quantize(&floats.or_data(|| cannot_read(path))?, inputs))
    }

    /// The token embeddings as int8, `[tokens, size]` with a scale for each token.
    ///
    /// # Errors
    /// As of [`floats`](Self::floats).
    pub(crate) fn int8_table(&self, path: &str, [rows, size]: [usize; 2]) -> Result<Int8Matrix> {
        if let Self::Int8 { model, .. } = self
            && let Some(matrix) = model.matrix(path, [rows, size]).or_data(|| cannot_read(path))?
        {
            return Ok(matrix);
        }
        Ok(Int8Matrix::quantize(&self.floats(path, &[rows, size])?, size))
    }
}

fn cannot_read(path: &str) -> String {
    format!("cannot read the model's `{path}`")
}
