//! Writes columns to a Parquet file.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, PrimitiveArray, Utf8ViewArray};
use arrow::types::NativeType;
use firebrand_pipeline::{Error, Result, ResultExt};

use crate::columnar::{decode, list, write_arrays};
use crate::seal::seal;

/// A column to be written.
pub(crate) type Column = Box<dyn Array>;

/// Writes columns of equal length.
pub(crate) fn write(path: &Path, columns: Vec<(&str, Column)>) -> Result<()> {
    let bytes = write_arrays(columns, &BTreeMap::new())
        .or_other(|| format!("cannot encode the rows of {} as Parquet", path.display()))?;
    // Encoded in memory first, so that a full disk is reported as the system error that it is.
    std::fs::write(path, seal(bytes)).map_err(|error| Error::io("write", path, &error))
}

/// A column of numbers.
pub(crate) fn numbers<T: NativeType>(values: impl Iterator<Item = T>) -> Column {
    PrimitiveArray::from_vec(values.collect()).boxed()
}

/// A column of texts, some of which may be missing.
pub(crate) fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Column {
    Utf8ViewArray::from_slice(values.collect::<Vec<_>>()).boxed()
}

/// A column of lists of numbers.
pub(crate) fn lists<'a, T: NativeType>(lists: impl Iterator<Item = &'a [T]>) -> Result<Column> {
    let (mut ends, mut items) = (Vec::new(), Vec::new());
    for row in lists {
        items.extend_from_slice(row);
        ends.push(items.len());
    }
    decode(|| list(ends, None, PrimitiveArray::from_vec(items).boxed()))
        .or_other(|| "cannot make a column of lists".to_owned())
}
