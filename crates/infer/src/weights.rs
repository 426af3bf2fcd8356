//! A directory's weights, in one precision.

use std::path::Path;

use firebrand_arch::{INT8_FILE, Int8Checkpoint, Int8Matrix, ModelConfig, ModelError, Pretrained};

use crate::engine::linear::{Linear, Values};
use crate::integrity::REMEDY;
use crate::table::Table;
use crate::{Error, Precision, Result, ResultExt};

/// Weights to be read on demand.
#[derive(Debug)]
pub(crate) enum Weights {
    /// Stored as floats.
    Stored { model: Pretrained, precision: Precision },
    /// Stored as int8.
    Int8 { model: Int8Checkpoint, config: ModelConfig },
}

impl Weights {
    /// Opens a directory's weights: those in int8 for that precision, if there are any, and otherwise those in floats, which are
    /// then quantised.
    ///
    /// # Errors
    /// When a file is missing or damaged, or does not fit `config.json`.
    pub(crate) fn open(directory: &Path, precision: Precision) -> Result<Self> {
        let int8 = directory.join(INT8_FILE);
        if precision == Precision::Int8 && int8.is_file() {
            let config = read_config(directory)?;
            let model = Int8Checkpoint::open(&int8, &config).map_err(|error| cannot_load(directory, &error))?;
            return Ok(Self::Int8 { model, config });
        }
        let model = Pretrained::open(directory).map_err(|error| cannot_load(directory, &error))?;
        Ok(Self::Stored { model, precision })
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Self::Stored { model, .. } => model.config(),
            Self::Int8 { config, .. } => config,
        }
    }

    pub(crate) fn precision(&self) -> Precision {
        match self {
            Self::Stored { precision, .. } => *precision,
            Self::Int8 { .. } => Precision::Int8,
        }
    }

    /// A parameter as floats, row-major.
    ///
    /// # Errors
    /// When it cannot be read, or holds a number that is not finite.
    pub(crate) fn floats(&self, path: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values = match self {
            Self::Stored { model, .. } => model.parameter(path, shape),
            Self::Int8 { model, .. } => model.parameter(path, shape),
        };
        values.or_data(|| format!("cannot read the model's `{path}`"))
    }

    /// A table of embeddings, `[rows, width]`: mapped into memory where the file has it as it is.
    ///
    /// # Errors
    /// As of [`floats`](Self::floats).
    pub(crate) fn table(&self, path: &str, rows: usize, width: usize) -> Result<Table> {
        match self {
            Self::Stored { model, .. } => {
                if let Some((file, bytes)) = model.mapped_range(path) {
                    return Table::map(&file, bytes, width);
                }
            }
            Self::Int8 { model, .. } => {
                let matrix =
                    model.matrix(path, [rows, width]).or_data(|| format!("cannot read the model's `{path}`"))?;
                if let Some(Int8Matrix { values, scales }) = matrix {
                    return Ok(Table::int8(values, scales, width));
                }
            }
        }
        Ok(Table::new(self.floats(path, &[rows, width])?, width))
    }

    /// A linear layer in this precision.
    ///
    /// # Errors
    /// As of [`floats`](Self::floats).
    pub(crate) fn linear(&self, path: &str, inputs: usize, outputs: usize, bias: bool) -> Result<Linear> {
        let Linear { values, bias, .. } = match self {
            Self::Stored { precision: Precision::Fp32, .. } => return self.float_linear(path, inputs, outputs, bias),
            Self::Stored { .. } => self.float_linear(path, inputs, outputs, bias)?,
            Self::Int8 { model, .. } => {
                let weight = format!("{path}.weight");
                let matrix = model.matrix(&weight, [inputs, outputs]).or_data(|| format!("cannot read `{weight}`"))?;
                let Some(matrix) = matrix else { return self.float_linear(path, inputs, outputs, bias).map(quantized) };
                let bias = bias.then(|| self.floats(&format!("{path}.bias"), &[outputs])).transpose()?;
                let Int8Matrix { values, scales } = matrix;
                return Ok(Linear { values: Values::Int8 { values, scales }, bias, inputs, outputs });
            }
        };
        Ok(quantized(Linear { values, bias, inputs, outputs }))
    }

    /// A linear layer in single precision.
    ///
    /// # Errors
    /// As of [`floats`](Self::floats).
    pub(crate) fn float_linear(&self, path: &str, inputs: usize, outputs: usize, bias: bool) -> Result<Linear> {
        let weight = format!("{path}.weight");
        let values = match self {
            Self::Stored { model, .. } => model.parameter_transposed(&weight, [inputs, outputs]),
            Self::Int8 { model, .. } => model.parameter_transposed(&weight, [inputs, outputs]),
        };
        let values = values.or_data(|| format!("cannot read the model's `{weight}`"))?;
        let bias = bias.then(|| self.floats(&format!("{path}.bias"), &[outputs])).transpose()?;
        Ok(Linear { values: Values::Float(values), bias, inputs, outputs })
    }
}

/// Reads a directory's `config.json`.
///
/// # Errors
/// When it is missing or damaged, or not that of a supported classifier.
pub(crate) fn read_config(directory: &Path) -> Result<ModelConfig> {
    ModelConfig::read(directory).map(|(_, config)| config).map_err(|error| cannot_load(directory, &error))
}

fn cannot_load(directory: &Path, error: &ModelError) -> Error {
    Error::data(format!("cannot load the model in {}", directory.display())).caused_by(error).hint(REMEDY)
}

/// The same layer with weights in int8.
fn quantized(linear: Linear) -> Linear {
    let values = match linear.values {
        Values::Float(values) => {
            let Int8Matrix { values, scales } = Int8Matrix::quantize(&values, linear.inputs);
            Values::Int8 { values, scales }
        }
        values @ Values::Int8 { .. } => values,
    };
    Linear { values, ..linear }
}
