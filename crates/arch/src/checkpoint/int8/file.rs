//! Reading a file with int8 matrices.

use std::collections::BTreeMap;
use std::path::Path;

use super::{FORMAT, SCALE};
use crate::ModelError;
use crate::checkpoint::SafetensorsFile;
use crate::checkpoint::tensor::{FloatTensor, TensorFile};

/// A file that [`save_int8`](super::save_int8) wrote.
#[derive(Debug)]
pub(super) struct Int8File {
    file: SafetensorsFile,
}

/// A stored int8 matrix.
#[derive(Debug)]
pub(super) struct Int8Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<i8>,
    /// One per row or per column: as many as the matrix has.
    pub(super) scales: Vec<f32>,
    pub(super) by_row: bool,
}

impl Int8File {
    /// Opens a file and checks that every quantised matrix has its scales, and that there are no others.
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
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
                let found = this.scales(&name)?.shape;
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

    /// An int8 matrix; `None` if the tensor of this name is float32.
    pub(super) fn int8(&self, name: &str) -> Result<Option<Int8Tensor>, ModelError> {
        if !self.file.is_int8(name) {
            return Ok(None);
        }
        let (values, shape) = self.file.int8(name)?;
        let FloatTensor { values: scales, shape: of_scales } = self.scales(name)?;
        Ok(Some(Int8Tensor { shape, values, scales, by_row: of_scales.len() == 1 }))
    }

    /// The scales of an int8 matrix.
    fn scales(&self, matrix: &str) -> Result<FloatTensor, ModelError> {
        self.file.floats(&format!("{matrix}{SCALE}"))
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

    fn floats(&self, name: &str) -> Result<FloatTensor, ModelError> {
        let Some(Int8Tensor { shape, values, scales, by_row }) = self.int8(name)? else {
            return self.file.floats(name);
        };
        let [_, columns] = matrix(&shape);
        let scale = |place: usize| if by_row { scales[place / columns.max(1)] } else { scales[place % columns.max(1)] };
        let values: Vec<f32> =
            values.iter().enumerate().map(|(place, &value)| f32::from(value) * scale(place)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(self.problem(format!("`{name}` times its scales is not finite")));
        }
        Ok(FloatTensor::new(values, shape))
    }
}

/// A shape as that of a matrix: the first dimension by the product of the others.
fn matrix(shape: &[usize]) -> [usize; 2] {
    [shape.first().copied().unwrap_or(0), shape.iter().skip(1).product()]
}
