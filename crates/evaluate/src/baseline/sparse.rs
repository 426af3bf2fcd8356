//! A sparse matrix in CSR format (compressed sparse rows).

/// Rows of (column, value) pairs of nonzero values. A dense matrix of 20,000 texts and 200,000 terms would take 16 GB.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseRows {
    columns: usize,
    /// Row `r` is at `starts[r]..starts[r + 1]`.
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

    /// Number of nonzero values.
    #[cfg(test)]
    pub(crate) fn nonzero(&self) -> usize {
        self.values.len()
    }

    /// The columns and values of a row.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[row]..self.starts[row + 1];
        let values = &self.values[range.clone()];
        self.indices[range].iter().zip(values).map(|(&column, &value)| (column as usize, f64::from(value)))
    }

    /// A matrix of these rows, restricted to the columns in which the rows chosen by `of` (given a position in `rows`) have
    /// nonzero values; and the original indices of these columns, ascending.
    pub(crate) fn select(&self, rows: &[usize], of: impl Fn(usize) -> bool) -> (Self, Vec<u32>) {
        let range = |row: usize| self.starts[row]..self.starts[row + 1];
        let mut places = vec![u32::MAX; self.columns];
        let picked = rows.iter().enumerate().filter(|(place, _)| of(*place));
        for &column in picked.flat_map(|(_, &row)| &self.indices[range(row)]) {
            places[column as usize] = 0;
        }
        let columns: Vec<u32> =
            (0..).zip(&places).filter(|(_, place)| **place == 0).map(|(column, _)| column).collect();
        for (place, &column) in (0..).zip(&columns) {
            places[column as usize] = place;
        }
        let mut kept = Self::new(columns.len());
        for &row in rows {
            let pairs = self.indices[range(row)].iter().zip(&self.values[range(row)]);
            let own = pairs.map(|(&column, &value)| (places[column as usize], value));
            kept.push(own.filter(|(place, _)| *place != u32::MAX));
        }
        (kept, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_of_the_chosen_rows_are_kept() {
        let mut rows = SparseRows::new(6);
        rows.push([(3, 7.0)]);
        rows.push([(1, 1.0), (4, 2.0)]);
        rows.push([(0, 3.0), (4, 4.0), (5, 5.0)]);
        rows.push([(2, 6.0)]);
        let (kept, columns) = rows.select(&[1, 2, 3], |place| place == 0);
        assert_eq!((columns, kept.columns(), kept.len(), kept.nonzero()), (vec![1, 4], 2, 3, 3));
        assert_eq!(kept.row(0).collect::<Vec<_>>(), [(0, 1.0), (1, 2.0)]);
        assert_eq!(kept.row(1).collect::<Vec<_>>(), [(1, 4.0)]);
        assert_eq!(kept.row(2).count(), 0);
    }
}
