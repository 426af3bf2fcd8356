//! Columns into a Parquet file.

use std::path::Path;

use firebrand_pipeline::{Error, Result, ResultExt};
use polars::prelude::{
    Column, DataFrame, DataType, Float32Type, ListBuilderTrait, ListPrimitiveChunkedBuilder, ParquetCompression,
    ParquetWriter, PolarsNumericType, UInt32Type,
};

use crate::seal::seal;

/// Rows in a row group. Fixed, so that the bytes depend on nothing but the rows.
const ROW_GROUP: usize = 1 << 16;

/// Writes columns of `height` rows each.
pub(crate) fn write(path: &Path, height: usize, columns: Vec<Column>) -> Result<()> {
    let mut bytes = Vec::new();
    DataFrame::new(height, columns)
        .and_then(|mut frame| {
            ParquetWriter::new(&mut bytes)
                .with_compression(ParquetCompression::Zstd(None))
                .with_row_group_size(Some(ROW_GROUP))
                .finish(&mut frame)
        })
        .or_other(|| format!("cannot turn the rows of {} into Parquet", path.display()))?;
    // By way of memory, so that a full disk is the system's own error and not one of polars.
    std::fs::write(path, seal(bytes)).map_err(|error| Error::io("write", path, &error))
}

/// A column of lists of integers.
pub(crate) fn integers<'a>(name: &str, lists: impl ExactSizeIterator<Item = &'a [u32]>) -> Column {
    lists_of::<UInt32Type>(name, lists, DataType::UInt32)
}

/// A column of lists of numbers.
pub(crate) fn floats<'a>(name: &str, lists: impl ExactSizeIterator<Item = &'a [f32]>) -> Column {
    lists_of::<Float32Type>(name, lists, DataType::Float32)
}

fn lists_of<'a, T: PolarsNumericType>(
    name: &str,
    lists: impl ExactSizeIterator<Item = &'a [T::Native]>,
    inner: DataType,
) -> Column {
    let mut builder = ListPrimitiveChunkedBuilder::<T>::new(name.into(), lists.len(), lists.len(), inner);
    for list in lists {
        builder.append_slice(list);
    }
    Column::from(polars::prelude::IntoSeries::into_series(builder.finish()))
}
