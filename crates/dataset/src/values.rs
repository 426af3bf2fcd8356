//! Columns as plain Rust, every value checked.

use firebrand_pipeline::Result;
use polars::prelude::{ChunkExplode, DataType, Series};

use crate::rows::Part;
use crate::table::{Table, Wanted};

impl Table {
    /// Texts, none of them null.
    pub(crate) fn texts(&self, wanted: Wanted) -> Result<Vec<String>> {
        let texts = self.names(wanted)?;
        self.all(wanted, texts, "has no text (null)")
    }

    /// Texts or null; `None` for all where the column is missing.
    pub(crate) fn names(&self, wanted: Wanted) -> Result<Vec<Option<String>>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![None; self.height()]) };
        let column = self.cast(column, &DataType::String)?;
        let texts = self.step(|| column.str())?;
        Ok(texts.iter().map(|text| text.map(str::to_owned)).collect())
    }

    /// Given parts.
    pub(crate) fn parts(&self, wanted: Wanted) -> Result<Vec<Option<Part>>> {
        let parse = |(row, name): (usize, Option<String>)| {
            name.map(|name| name.parse().map_err(|problem: String| self.bad(wanted.name, row, problem))).transpose()
        };
        self.names(wanted)?.into_iter().enumerate().map(parse).collect()
    }

    /// Ids; the row's number where the column is missing.
    pub(crate) fn ids(&self, wanted: Wanted) -> Result<Vec<u64>> {
        let Some(column) = self.column(wanted) else { return Ok((0..self.height() as u64).collect()) };
        let ids = self.integers(column)?;
        let ids = self.all(wanted, ids, "is null")?;
        self.narrow(wanted, ids)
    }

    /// Counts; 0 where the column is missing.
    pub(crate) fn counts(&self, wanted: Wanted) -> Result<Vec<u32>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![0; self.height()]) };
        let counts = self.integers(column)?;
        let counts = self.all(wanted, counts, "is null")?;
        self.narrow(wanted, counts)
    }

    /// Weights, finite and at least 0; 1 where the column is missing.
    pub(crate) fn weights(&self, wanted: Wanted) -> Result<Vec<f32>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![1.0; self.height()]) };
        let weights = self.floats(column)?;
        let weights = self.all(wanted, weights, "is null")?;
        for (row, weight) in weights.iter().enumerate() {
            if !(weight.is_finite() && *weight >= 0.0) {
                return Err(self.bad(wanted.name, row, format!("{weight} is not a weight: finite and at least 0")));
            }
        }
        Ok(weights)
    }

    /// Lists of indices; a column of integers counts as lists of one. `None` where the column is missing.
    pub(crate) fn index_lists(&self, wanted: Wanted) -> Result<Option<Vec<Vec<u32>>>> {
        let Some(column) = self.column(wanted) else { return Ok(None) };
        let (values, ends) = self.flat(wanted, column)?;
        let values = self.integers(&values)?;
        let rows = self.cut(wanted, values, &ends)?;
        let narrow = |(row, list): (usize, Vec<i128>)| {
            list.into_iter().map(|value| narrow(value).map_err(|problem| self.bad(wanted.name, row, problem))).collect()
        };
        rows.into_iter().enumerate().map(narrow).collect::<Result<_>>().map(Some)
    }

    /// Lists of numbers, none of them NaN. Empty where the column is missing.
    pub(crate) fn float_lists(&self, wanted: Wanted) -> Result<Vec<Vec<f32>>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![Vec::new(); self.height()]) };
        let (values, ends) = self.flat(wanted, column)?;
        let rows = self.cut(wanted, self.floats(&values)?, &ends)?;
        match rows.iter().position(|list| list.iter().any(|value| value.is_nan())) {
            Some(row) => Err(self.bad(wanted.name, row, "has a NaN")),
            None => Ok(rows),
        }
    }

    /// A list column's values in one series, and where each row's values end; the first row starts at 0.
    fn flat(&self, wanted: Wanted, column: &Series) -> Result<(Series, Vec<usize>)> {
        if let Some(row) = first_null(column) {
            return Err(self.bad(wanted.name, row, "is null"));
        }
        if !matches!(column.dtype(), DataType::List(_)) {
            return Ok((column.clone(), (1..=column.len()).collect()));
        }
        let (values, offsets) = self.step(|| {
            let lists = column.list()?;
            Ok((lists.get_inner(), lists.offsets()?))
        })?;
        let offsets: Vec<usize> = offsets.iter().filter_map(|&offset| usize::try_from(offset).ok()).collect();
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        let values = values.slice(i64::try_from(first).unwrap_or(0), last - first);
        Ok((values, offsets.iter().skip(1).map(|offset| offset - first).collect()))
    }

    /// Cuts flat values back into rows; none may be null.
    fn cut<T: Copy>(&self, wanted: Wanted, values: Vec<Option<T>>, ends: &[usize]) -> Result<Vec<Vec<T>>> {
        let mut start = 0;
        let mut rows = Vec::with_capacity(ends.len());
        for (row, &end) in ends.iter().enumerate() {
            let list: Option<Vec<T>> = values.get(start..end).and_then(|list| list.iter().copied().collect());
            rows.push(list.ok_or_else(|| self.bad(wanted.name, row, "has a null in its list"))?);
            start = end;
        }
        Ok(rows)
    }

    fn integers(&self, column: &Series) -> Result<Vec<Option<i128>>> {
        if column.dtype() == &DataType::UInt64 {
            let values = self.step(|| column.u64())?;
            return Ok(values.iter().map(|value| value.map(i128::from)).collect());
        }
        let column = self.cast(column, &DataType::Int64)?;
        let values = self.step(|| column.i64())?;
        Ok(values.iter().map(|value| value.map(i128::from)).collect())
    }

    fn floats(&self, column: &Series) -> Result<Vec<Option<f32>>> {
        let column = self.cast(column, &DataType::Float32)?;
        let values = self.step(|| column.f32())?;
        Ok(values.iter().collect())
    }

    fn all<T>(&self, wanted: Wanted, values: Vec<Option<T>>, problem: &str) -> Result<Vec<T>> {
        let there = |(row, value): (usize, Option<T>)| value.ok_or_else(|| self.bad(wanted.name, row, problem));
        values.into_iter().enumerate().map(there).collect()
    }

    fn narrow<T: TryFrom<i128>>(&self, wanted: Wanted, values: Vec<i128>) -> Result<Vec<T>> {
        let narrow = |(row, value): (usize, i128)| narrow(value).map_err(|problem| self.bad(wanted.name, row, problem));
        values.into_iter().enumerate().map(narrow).collect()
    }
}

/// An unsigned integer, or what is wrong with it.
fn narrow<T: TryFrom<i128>>(value: i128) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("{value} is {}", if value < 0 { "negative" } else { "too large" }))
}

fn first_null(column: &Series) -> Option<usize> {
    if column.null_count() == 0 {
        return None;
    }
    column.is_null().iter().position(|null| null == Some(true))
}
