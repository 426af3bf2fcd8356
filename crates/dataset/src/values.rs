//! Converts columns to the types of the rows and checks every value.

use firebrand_pipeline::Result;

use crate::columnar::Values;
use crate::rows::Part;
use crate::table::{Table, Wanted};

impl Table {
    /// Texts, none of them null.
    pub(crate) fn texts(&self, wanted: Wanted) -> Result<Vec<String>> {
        let texts = self.names(wanted)?;
        self.all(wanted, texts, "has no text (null)")
    }

    /// Texts or nulls; all `None` if the column is missing.
    pub(crate) fn names(&self, wanted: Wanted) -> Result<Vec<Option<String>>> {
        Ok(match self.column(wanted) {
            Some(Values::Texts(texts)) => texts.clone(),
            Some(Values::Integers(values)) => values.iter().map(|value| value.map(|name| name.to_string())).collect(),
            Some(Values::Unsigned(values)) => values.iter().map(|value| value.map(|name| name.to_string())).collect(),
            _ => vec![None; self.height()],
        })
    }

    /// Given splits; all `None` if the column is missing.
    pub(crate) fn parts(&self, wanted: Wanted) -> Result<Vec<Option<Part>>> {
        let parse = |(row, name): (usize, Option<String>)| {
            name.map(|name| name.parse().map_err(|problem: String| self.bad(wanted.name, row, problem))).transpose()
        };
        self.names(wanted)?.into_iter().enumerate().map(parse).collect()
    }

    /// Ids; the row numbers if the column is missing.
    pub(crate) fn ids(&self, wanted: Wanted) -> Result<Vec<u64>> {
        let Some(column) = self.column(wanted) else { return Ok((0..self.height() as u64).collect()) };
        self.all(wanted, self.integers(wanted, column)?, "is null")
    }

    /// Counts; 0 if the column is missing.
    pub(crate) fn counts(&self, wanted: Wanted) -> Result<Vec<u32>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![0; self.height()]) };
        self.all(wanted, self.integers(wanted, column)?, "is null")
    }

    /// Weights, finite and at least 0; 1 if the column is missing.
    pub(crate) fn weights(&self, wanted: Wanted) -> Result<Vec<f32>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![1.0; self.height()]) };
        let weights = self.all(wanted, floats(column), "is null")?;
        for (row, weight) in weights.iter().enumerate() {
            if !(weight.is_finite() && *weight >= 0.0) {
                return Err(self.bad(
                    wanted.name,
                    row,
                    format!("{weight} is not a weight: it must be finite and at least 0"),
                ));
            }
        }
        Ok(weights)
    }

    /// Lists of indices; a column of integers is read as lists of one item. `None` if the column is missing.
    pub(crate) fn index_lists(&self, wanted: Wanted) -> Result<Option<Vec<Vec<u32>>>> {
        let Some(column) = self.column(wanted) else { return Ok(None) };
        let Values::Lists { ends, present, items } = column else {
            let values = self.all(wanted, self.integers(wanted, column)?, "is null")?;
            return Ok(Some(values.into_iter().map(|value| vec![value]).collect()));
        };
        self.none_missing(wanted, present)?;
        let row_of = |item: usize| ends.partition_point(|end| *end <= item);
        let items = self.integers_at(wanted, items, row_of)?;
        self.split_rows(wanted, &items, ends).map(Some)
    }

    /// Lists of numbers, none of them NaN. Empty if the column is missing.
    pub(crate) fn float_lists(&self, wanted: Wanted) -> Result<Vec<Vec<f32>>> {
        let Some(column) = self.column(wanted) else { return Ok(vec![Vec::new(); self.height()]) };
        let rows = match column {
            Values::Lists { ends, present, items } => {
                self.none_missing(wanted, present)?;
                self.split_rows(wanted, &floats(items), ends)?
            }
            column => self.all(wanted, floats(column), "is null")?.into_iter().map(|value| vec![value]).collect(),
        };
        match rows.iter().position(|list: &Vec<f32>| list.iter().any(|value| value.is_nan())) {
            Some(row) => Err(self.bad(wanted.name, row, "has a NaN")),
            None => Ok(rows),
        }
    }

    fn none_missing(&self, wanted: Wanted, present: &[bool]) -> Result<()> {
        match present.iter().position(|present| !present) {
            Some(row) => Err(self.bad(wanted.name, row, "is null")),
            None => Ok(()),
        }
    }

    /// Splits flat values into rows; no value may be null.
    fn split_rows<T: Copy>(&self, wanted: Wanted, values: &[Option<T>], ends: &[usize]) -> Result<Vec<Vec<T>>> {
        let mut start = 0;
        let mut rows = Vec::with_capacity(ends.len());
        for (row, &end) in ends.iter().enumerate() {
            let list: Option<Vec<T>> = values.get(start..end).and_then(|list| list.iter().copied().collect());
            rows.push(list.ok_or_else(|| self.bad(wanted.name, row, "has a null in its list"))?);
            start = end;
        }
        Ok(rows)
    }

    fn integers<T: TryFrom<i64> + TryFrom<u64>>(&self, wanted: Wanted, column: &Values) -> Result<Vec<Option<T>>> {
        self.integers_at(wanted, column, |row| row)
    }

    /// Integers that fit the type; `row_of` maps the position of a value to its row.
    fn integers_at<T: TryFrom<i64> + TryFrom<u64>>(
        &self,
        wanted: Wanted,
        column: &Values,
        row_of: impl Fn(usize) -> usize,
    ) -> Result<Vec<Option<T>>> {
        let misfit = |place: usize, value: &dyn std::fmt::Display, negative: bool| {
            let problem = if negative { "negative" } else { "too large" };
            self.bad(wanted.name, row_of(place), format!("{value} is {problem}"))
        };
        match column {
            Values::Integers(values) => {
                let fit = |(place, value): (usize, &Option<i64>)| {
                    value.map(|value| T::try_from(value).map_err(|_| misfit(place, &value, value < 0))).transpose()
                };
                values.iter().enumerate().map(fit).collect()
            }
            Values::Unsigned(values) => {
                let fit = |(place, value): (usize, &Option<u64>)| {
                    value.map(|value| T::try_from(value).map_err(|_| misfit(place, &value, false))).transpose()
                };
                values.iter().enumerate().map(fit).collect()
            }
            other => Ok((0..other.len()).map(|_| None).collect()),
        }
    }

    fn all<T>(&self, wanted: Wanted, values: Vec<Option<T>>, problem: &str) -> Result<Vec<T>> {
        let there = |(row, value): (usize, Option<T>)| value.ok_or_else(|| self.bad(wanted.name, row, problem));
        values.into_iter().enumerate().map(there).collect()
    }
}

fn floats(column: &Values) -> Vec<Option<f32>> {
    match column {
        Values::Floats(values) => values.iter().map(|value| value.map(|float| float as f32)).collect(),
        Values::Integers(values) => values.iter().map(|value| value.map(|integer| integer as f32)).collect(),
        Values::Unsigned(values) => values.iter().map(|value| value.map(|integer| integer as f32)).collect(),
        other => vec![None; other.len()],
    }
}
