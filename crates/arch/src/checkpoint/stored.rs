//! The parameters that a file holds, by path.

use std::ops::Range;
use std::path::PathBuf;

use super::account::{Place, Places, account};
use super::tensor::TensorFile;
use super::{LoadReport, StoredOutput};
use crate::{ModelConfig, ModelError};

/// A file whose tensors are accounted for.
#[derive(Debug)]
pub(crate) struct Stored<F> {
    pub(super) file: F,
    places: Places,
}

impl<F: TensorFile> Stored<F> {
    /// [Accounts](account) for every tensor of a file.
    pub(crate) fn new(
        file: F,
        config: &ModelConfig,
        new_head: Option<&StoredOutput>,
    ) -> Result<(Self, LoadReport), ModelError> {
        let (places, report) = account(&file, &config.rules(), &config.network, new_head)?;
        Ok((Self { file, places }, report))
    }

    /// An error about this file.
    pub(crate) fn problem(&self, problem: String) -> ModelError {
        ModelError::Tensors { path: self.file.path().to_owned(), problem }
    }

    /// Whether the file has the parameter of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Where a parameter of this shape is.
    pub(super) fn place(&self, path: &str, shape: &[usize]) -> Result<&Place, ModelError> {
        let place = self.places.get(path).ok_or_else(|| self.problem(format!("there is no parameter `{path}`")))?;
        if place.shape == shape {
            Ok(place)
        } else {
            Err(self.problem(format!("the parameter `{path}` has shape {:?}, not {shape:?}", place.shape)))
        }
    }

    /// A parameter of this shape.
    pub(crate) fn parameter(&self, path: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let Place { name, layout, .. } = self.place(path, shape)?;
        Ok(layout.extract(self.file.floats(name)?.values, shape))
    }

    /// The transpose of a parameter of this shape: of a linear layer's weight, `[outputs, inputs]`.
    pub(crate) fn parameter_transposed(&self, path: &str, shape: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        let Place { name, layout, .. } = self.place(path, &shape)?;
        Ok(layout.extract_transposed(self.file.floats(name)?.values, shape))
    }

    /// The file and the range of its bytes that are this parameter as little-endian float32, four-byte aligned.
    pub(crate) fn range(&self, path: &str) -> Option<(PathBuf, Range<u64>)> {
        let Place { name, layout, shape } = self.places.get(path)?;
        if !layout.is_verbatim(shape) {
            return None;
        }
        self.file.float_range(name).filter(|(_, range)| range.start.is_multiple_of(align_of::<f32>() as u64))
    }
}
