//! A matrix of rows that are mostly zero (compressed sparse rows).

/// Rows of (column, value) pairs. A dense matrix of 20,000 texts and 200,000 words would take 16 GB; this takes what is
/// not zero.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseRows {
    columns: usize,
    /// Row `r` lies at `starts[r]..starts[r + 1]`.
    starts: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns, starts: vec![0], indices: Vec::new(), values: Vec::new() }
    }

    /// Adds a row. Every column must be below `columns`.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = (u32, f32)>) {
        for (column, value) in row {
            debug_assert!((column as usize) < self.columns);
            self.indices.push(column);
            self.values.push(value);
        }
        self.starts.push(self.indices.len());
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The columns and values of a row.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[row]..self.starts[row + 1];
        let values = &self.values[range.clone()];
        self.indices[range].iter().zip(values).map(|(&column, &value)| (column as usize, f64::from(value)))
    }
}
