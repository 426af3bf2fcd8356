//! `int8/model.safetensors`: a checkpoint whose large matrices are int8.
//!
//! Every tensor has the name, shape and orientation that it has in the family's `model.safetensors`. A quantised matrix
//! `NAME` is `I8` and comes with its scales, `NAME_scale`, `F32`: of shape `[rows]`, `value = NAME[row][column] ·
//! NAME_scale[row]`, or of shape `[1, columns]`, one scale per column (GPT-2 and XLNet store outputs as columns; a
//! three-dimensional tensor counts as a matrix of its first dimension by the product of the others). All other tensors stay
//! `F32`. The header's `format` is [`FORMAT`].
//!
//! transformers must not load this file: it checks neither the format nor the scales, and takes the integers for weights with
//! no more than a warning (tried with 5.24). So the file lies in a directory without a `config.json`, which transformers
//! refuses.

mod file;

use std::collections::HashMap;
use std::path::Path;

use self::file::Int8File;
use super::Stored;
use super::account::Place;
use super::layout::Layout;
use super::save::stored_tensors;
use super::tensor::{FloatTensor, TensorValues, TensorView};
use super::write_safetensors;
use crate::quantize::{Int8Matrix, relative_error};
use crate::{ModelConfig, ModelError};

/// Where a directory in the hub's layout has its weights as int8.
pub const INT8_FILE: &str = "int8/model.safetensors";

/// The `format` in the header: the scheme and its version.
const FORMAT: &str = "firebrand-int8-1";

/// Suffix of the name of a quantised matrix's scales.
const SCALE: &str = "_scale";

/// The path of the token embeddings.
const TOKENS: &str = "encoder.embeddings.token";

/// A quantised matrix and its error.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedTensor {
    /// Its name in the hub's layout.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// The root mean square of the quantisation error, relative to that of the weights.
    pub relative_error: f64,
}

/// Whether the parameter of this path is stored as int8: the weights of linear layers and the token embeddings, which are
/// nearly all of a model. The output layer stays float32: it is too small to save anything worth an error.
fn is_quantized(path: &str, shape: &[usize]) -> bool {
    let linear = path.ends_with(".weight") && path != "encoder.distances.weight" && !path.starts_with("head.output.");
    shape.len() == 2 && (linear || path == TOKENS)
}

/// The orientation in which each row of a parameter has its own scale: one output of a linear layer, which is a column of ours,
/// or one token, which is a row.
fn by_scale(path: &str) -> Layout {
    Layout { transposed: path != TOKENS, ..Layout::default() }
}

/// A tensor to be written.
enum Written {
    Float(FloatTensor),
    Int8 { shape: Vec<usize>, values: Vec<i8> },
}

impl Written {
    fn view(&self) -> TensorView<'_> {
        match self {
            Self::Float(tensor) => tensor.view(),
            Self::Int8 { shape, values } => TensorView { shape, values: TensorValues::I8(values) },
        }
    }
}

/// Writes a network's parameters, each with its path, with int8 matrices: the weights of linear layers and the token
/// embeddings, with one scale per output or token. Everything else, and the output layer, stays float32. Says what became of
/// each quantised matrix.
///
/// # Errors
/// [`ModelError::Io`] when the system refuses; [`ModelError::Tensors`] when the model has no parameter of one of the paths, or
/// values do not fit their shape.
pub fn save_int8(
    path: &Path,
    config: &ModelConfig,
    parameters: Vec<(String, FloatTensor)>,
) -> Result<Vec<QuantizedTensor>, ModelError> {
    let mut tensors = Vec::new();
    let mut report = Vec::new();
    for tensor in stored_tensors(path, config, parameters)? {
        if !tensor.parts.iter().all(|(ours, part)| is_quantized(ours, &part.shape)) {
            tensors.push((tensor.name.clone(), Written::Float(tensor.into_tensor())));
            continue;
        }
        let layout = tensor.layout;
        let (mut quantized, mut scales, mut original, mut dequantized) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut ours = Vec::new();
        let mut by_row = layout.transposed;
        for (path, FloatTensor { shape, values }) in tensor.parts {
            let by_scale = by_scale(&path);
            by_row |= !by_scale.transposed;
            let rows = by_scale.to_stored(values.clone(), &shape);
            let matrix = Int8Matrix::quantize(&rows, rows.len() / shape[usize::from(by_scale.transposed)].max(1));
            dequantized.extend(by_scale.extract(matrix.dequantize(), &shape));
            quantized.push(layout.to_stored(by_scale.extract(matrix.values, &shape), &shape));
            original.extend(values);
            scales.extend(matrix.scales);
            ours = shape;
        }
        report.push(QuantizedTensor {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            relative_error: relative_error(&original, &dequantized),
        });
        let shape = if by_row { vec![scales.len()] } else { vec![1, scales.len()] };
        tensors.push((format!("{}{SCALE}", tensor.name), Written::Float(FloatTensor::new(scales, shape))));
        let values = layout.fuse(quantized, &ours);
        tensors.push((tensor.name, Written::Int8 { shape: tensor.shape, values }));
    }
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
    // One string only: the order of several would differ from run to run.
    write_safetensors(path, views, HashMap::from([("format".to_owned(), FORMAT.to_owned())]))?;
    Ok(report)
}

/// A model with int8 weights, as [`save_int8`] writes it, every tensor accounted for. Values are read on demand.
#[derive(Debug)]
pub struct Int8Checkpoint {
    stored: Stored<Int8File>,
}

impl Int8Checkpoint {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is missing or damaged, or its tensors do not fit the configuration.
    pub fn open(path: &Path, config: &ModelConfig) -> Result<Self, ModelError> {
        let (stored, _) = Stored::new(Int8File::read(path)?, config, None)?;
        Ok(Self { stored })
    }

    /// The int8 matrix of a weight of shape `[inputs, outputs]`, as `[outputs, inputs]` with one scale per output; or of the
    /// token embeddings, `[tokens, size]`, with one scale per token. `None` if the file has the parameter as float32.
    ///
    /// # Errors
    /// When the model has no such parameter, its shape differs, or its values or scales are not those of such a matrix.
    pub fn matrix(&self, path: &str, shape: [usize; 2]) -> Result<Option<Int8Matrix>, ModelError> {
        let Place { name, layout, .. } = self.stored.place(path, &shape)?;
        let Some(tensor) = self.stored.file.int8(name)? else { return Ok(None) };
        let problem = |problem: &str| Err(self.stored.problem(format!("`{name}` {problem}")));
        let by_output = by_scale(path).transposed;
        let rows = shape[usize::from(by_output)];
        // The outputs of a transposed matrix are its rows, and so are the tokens of one that is not.
        if tensor.by_row != (layout.transposed == by_output) {
            return problem("has a scale per input, expected one per output");
        }
        let values = if by_output {
            layout.extract_transposed(tensor.values, shape)
        } else {
            layout.extract(tensor.values, &shape)
        };
        // `Int8File` has as many scales as the fused tensor has rows or columns.
        let (index, _) = layout.part.unwrap_or_default();
        let scales = tensor.scales[index * rows..][..rows].to_vec();
        for (row, scale) in values.chunks_exact((values.len() / rows.max(1)).max(1)).zip(&scales) {
            if row.contains(&i8::MIN) {
                return problem("holds -128, expected values from -127 to 127");
            }
            if !(*scale > 0.0 && (127.0 * scale).is_finite()) {
                return problem("has a scale that is not positive, or too large");
            }
        }
        Ok(Some(Int8Matrix { values, scales }))
    }

    /// A parameter of this shape as float32, row-major; an int8 matrix is dequantised. Weights of linear layers are
    /// `[inputs, outputs]`.
    ///
    /// # Errors
    /// When the model has no such parameter, its shape differs, or a value is not finite.
    pub fn parameter(&self, path: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        self.stored.parameter(path, shape)
    }

    /// The transpose of a parameter of this shape: of a linear layer's weight, `[outputs, inputs]`.
    ///
    /// # Errors
    /// As of [`parameter`](Self::parameter).
    pub fn parameter_transposed(&self, path: &str, shape: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        self.stored.parameter_transposed(path, shape)
    }
}
