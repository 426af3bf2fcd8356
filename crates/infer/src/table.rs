//! Embedding tables, of which a text reads a few rows.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

use crate::{Error, Result, ResultExt};

/// A table of embeddings, `[rows, width]`.
#[derive(Debug)]
pub(crate) struct Table {
    values: TableValues,
    width: usize,
}

#[derive(Debug)]
enum TableValues {
    Float(Vec<f32>),
    /// Little-endian single-precision numbers in a file.
    Mapped {
        file: Mmap,
        bytes: Range<usize>,
    },
    Int8 {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
}

impl Table {
    pub(crate) fn new(values: Vec<f32>, width: usize) -> Self {
        Self { values: TableValues::Float(values), width }
    }

    pub(crate) fn int8(values: Vec<i8>, scales: Vec<f32>, width: usize) -> Self {
        Self { values: TableValues::Int8 { values, scales }, width }
    }

    /// Maps a part of a file into memory. The file must not be changed while it is mapped: replace it as a whole instead, as
    /// every program here does.
    ///
    /// # Errors
    /// When the file cannot be mapped, or is shorter.
    pub(crate) fn map(path: &Path, bytes: Range<u64>, width: usize) -> Result<Self> {
        let failed = || format!("cannot map {} into memory", path.display());
        let file = File::open(path).or_other(failed)?;
        // SAFETY: bundles are replaced as a whole, never changed in place. Should another program write into the file all the
        // same, numbers change, which is why every number read is checked to be finite by the head.
        let file = unsafe { Mmap::map(&file) }.or_other(failed)?;
        let range = usize::try_from(bytes.start).ok().zip(usize::try_from(bytes.end).ok());
        let bytes = range.map(|(start, end)| start..end).filter(|range| range.end <= file.len());
        let bytes = bytes.ok_or_else(|| Error::data(format!("{} is shorter than its header says", path.display())))?;
        Ok(Self { values: TableValues::Mapped { file, bytes }, width })
    }

    pub(crate) fn rows(&self) -> usize {
        let elements = match &self.values {
            TableValues::Float(values) => values.len(),
            TableValues::Mapped { bytes, .. } => bytes.len() / 4,
            TableValues::Int8 { values, .. } => values.len(),
        };
        elements / self.width
    }

    /// Copies a row.
    ///
    /// # Panics
    /// When there is no such row, or `to` is not as wide as the table.
    pub(crate) fn copy_row(&self, row: usize, to: &mut [f32]) {
        self.each(row, to, |to, value| *to = value);
    }

    /// Adds a row to what is there.
    ///
    /// # Panics
    /// As [`copy_row`](Self::copy_row).
    pub(crate) fn add_row(&self, row: usize, to: &mut [f32]) {
        self.each(row, to, |to, value| *to += value);
    }

    fn each(&self, row: usize, to: &mut [f32], put: impl Fn(&mut f32, f32)) {
        assert_eq!(to.len(), self.width);
        let range = row * self.width..(row + 1) * self.width;
        match &self.values {
            TableValues::Float(values) => to.iter_mut().zip(&values[range]).for_each(|(to, &value)| put(to, value)),
            TableValues::Mapped { file, bytes } => {
                let row = &file[bytes.clone()][4 * range.start..4 * range.end];
                let values = row.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
                to.iter_mut().zip(values).for_each(|(to, value)| put(to, value));
            }
            TableValues::Int8 { values, scales } => {
                let scale = scales[row];
                to.iter_mut().zip(&values[range]).for_each(|(to, &value)| put(to, f32::from(value) * scale));
            }
        }
    }
}
