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

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::TensorData;

use super::hub::{TensorFile, stored_tensors};
use super::layout::Layout;
use super::{Rules, SafetensorsFile, write_safetensors};
use crate::quantize::{Int8Matrix, relative_error};
use crate::{ModelError, Network};

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

/// Writes a network with int8 matrices.
pub(crate) fn save_int8(path: &Path, rules: &Rules, network: &Network) -> Result<Vec<QuantizedTensor>, ModelError> {
    let mut tensors = Vec::new();
    let mut report = Vec::new();
    for tensor in stored_tensors(path, rules, network)? {
        if !tensor.parts.iter().all(|(ours, shape, _)| is_quantized(ours, shape)) {
            tensors.push((tensor.name.clone(), tensor.values()));
            continue;
        }
        let layout = tensor.layout;
        let (mut quantized, mut scales, mut original, mut dequantized) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut ours = Vec::new();
        let mut by_row = layout.transposed;
        for (path, shape, values) in tensor.parts {
            // One scale per output of a linear layer, which is a column of ours, or per token, which is a row.
            let by_column = path != TOKENS;
            by_row |= !by_column;
            let layout_by_row = Layout { transposed: by_column, ..Layout::default() };
            let rows = layout_by_row.to_stored(values.clone(), &shape);
            let matrix = Int8Matrix::quantize(&rows, rows.len() / shape[usize::from(by_column)].max(1));
            dequantized.extend(layout_by_row.extract(&matrix.dequantize(), &shape));
            quantized.push(layout.to_stored(layout_by_row.extract(&matrix.values, &shape), &shape));
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
        tensors.push((format!("{}{SCALE}", tensor.name), TensorData::new(scales, shape)));
        tensors.push((tensor.name, TensorData::new(layout.fuse(&quantized, &ours), tensor.shape)));
    }
    // One string only: the order of several would differ from run to run.
    write_safetensors(path, &tensors, HashMap::from([("format".to_owned(), FORMAT.to_owned())]))?;
    Ok(report)
}

/// A file that [`save_int8`] wrote, dequantised on reading.
#[derive(Debug)]
pub(crate) struct Int8File {
    file: SafetensorsFile,
}

impl Int8File {
    /// Opens a file and checks that every quantised matrix has its scales, and that there are no others.
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let this = Self { file: SafetensorsFile::read(path)? };
        let strings = this.file.strings();
        let format = strings.get("format").map_or("", String::as_str);
        if format != FORMAT {
            return Err(this.problem(format!("the header's format is \"{format}\", expected \"{FORMAT}\"")));
        }
        for (name, shape) in this.file.shapes() {
            if let Some(matrix) = name.strip_suffix(SCALE) {
                if !this.file.is_int8(matrix) {
                    return Err(this.problem(format!("`{name}` are scales without an int8 matrix `{matrix}`")));
                }
            } else if this.file.is_int8(&name) {
                let scales = this.file.floats(&format!("{name}{SCALE}"))?;
                let found = &scales.shape()[..];
                let [rows, columns] = matrix(&shape);
                if shape.len() < 2 || (found != [rows] && found != [1, columns]) {
                    return Err(this.problem(format!(
                        "`{name}` has shape {shape:?} and its scales have {found:?}: expected a matrix, and one scale per row \
                         ([{rows}]) or per column ([1, {columns}])"
                    )));
                }
            }
        }
        Ok(this)
    }

    fn problem(&self, problem: String) -> ModelError {
        ModelError::Tensors { path: self.file.path().to_owned(), problem }
    }
}

impl TensorFile for Int8File {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.file.shapes().into_iter().filter(|(name, _)| !name.ends_with(SCALE)).collect()
    }

    fn floats(&self, name: &str) -> Result<TensorData, ModelError> {
        if !self.file.is_int8(name) {
            return self.file.floats(name);
        }
        let (values, shape) = self.file.int8(name)?;
        let scales = self.file.floats(&format!("{name}{SCALE}"))?;
        let [_, columns] = matrix(&shape);
        let by_row = scales.shape().len() == 1;
        // `floats` returns float32.
        let scales = scales.as_slice::<f32>().unwrap_or_default();
        let scale = |place: usize| if by_row { scales[place / columns.max(1)] } else { scales[place % columns.max(1)] };
        let values: Vec<f32> =
            values.iter().enumerate().map(|(place, &value)| f32::from(value) * scale(place)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(self.problem(format!("`{name}` times its scales is not finite")));
        }
        Ok(TensorData::new(values, shape))
    }
}

/// A shape as that of a matrix: the first dimension by the product of the others.
fn matrix(shape: &[usize]) -> [usize; 2] {
    [shape.first().copied().unwrap_or(0), shape.iter().skip(1).product()]
}
