//! Tensors outside of any tensor library: a shape, and values in row-major order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::ModelError;

/// A tensor of float32.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatTensor {
    /// The size of each dimension.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Vec<f32>,
}

/// A tensor that lies elsewhere, for [`write_safetensors`](crate::write_safetensors).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorView<'a> {
    /// The size of each dimension.
    pub shape: &'a [usize],
    /// The values in row-major order.
    pub values: TensorValues<'a>,
}

/// The values of a [`TensorView`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TensorValues<'a> {
    /// Float32.
    F32(&'a [f32]),
    /// Int8.
    I8(&'a [i8]),
}

impl FloatTensor {
    /// A tensor of this shape.
    pub fn new(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> Self {
        Self { shape: shape.into(), values }
    }

    /// The same tensor, borrowed.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, values: TensorValues::F32(&self.values) }
    }
}

impl TensorValues<'_> {
    /// Number of values.
    pub(super) fn len(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I8(values) => values.len(),
        }
    }
}

/// Named tensors, in any file format.
pub(crate) trait TensorFile {
    /// The file's path.
    fn path(&self) -> &Path;

    /// Every tensor's name and shape, by name.
    fn shapes(&self) -> BTreeMap<String, Vec<usize>>;

    /// A tensor as float32.
    fn floats(&self, name: &str) -> Result<FloatTensor, ModelError>;

    /// The file and the range of its bytes that hold this tensor as little-endian float32; `None` if none does.
    fn float_range(&self, _name: &str) -> Option<(PathBuf, Range<u64>)> {
        None
    }
}
