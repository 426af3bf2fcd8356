//! Columns from one Parquet file into another, with their levels: nested ones too.

use std::path::Path;

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::FileReader;
use ::parquet::file::writer::SerializedColumnWriter;
use ::parquet::schema::types::{ColumnDescriptor, TypePtr};
use firebrand_pipeline::{Error, Result};

use super::read::skip;
use super::{BATCH_ROWS, ParquetFile};

/// Copies columns, some rows at a time.
pub(super) struct Copier {
    file: ParquetFile,
    leaves: Vec<Leaf>,
}

/// A column without children.
struct Leaf {
    /// The row group that is read next.
    group: usize,
    reader: Option<ColumnReader>,
}

impl Copier {
    /// Opens a file at a row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(path: &Path, row: u64) -> Result<Self> {
        let file = ParquetFile::open(path)?;
        let (group, before) = file.locate(row);
        let mut leaves = Vec::new();
        for index in 0..file.schema().num_columns() {
            let mut leaf = Leaf { group, reader: None };
            if before > 0 {
                let mut reader = leaf.open(&file, index)?;
                file.decode(|| skip(&mut reader, before))?;
                leaf.reader = Some(reader);
            }
            leaves.push(leaf);
        }
        Ok(Self { file, leaves })
    }

    /// The columns' types.
    pub(super) fn fields(&self) -> &[TypePtr] {
        self.file.schema().root_schema().get_fields()
    }

    /// Number of columns without children.
    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    /// Copies the next `rows` rows of a column. All columns must be copied in turn, as many rows of each.
    ///
    /// # Errors
    /// When the file is damaged, or the copy cannot be written.
    pub(super) fn copy(&mut self, index: usize, rows: u64, to: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let Self { file, leaves } = self;
        let column = file.schema().column(index);
        let leaf = &mut leaves[index];
        let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
        while left > 0 {
            let copied = match &mut leaf.reader {
                Some(reader) => file.decode(|| copy_some(reader, &column, left.min(BATCH_ROWS), to))?,
                None => 0,
            };
            left -= copied;
            if copied == 0 {
                if leaf.group >= file.groups() {
                    return Err(Error::data(format!("{} has fewer rows than its footer says", file.shown)));
                }
                leaf.reader = Some(leaf.open(file, index)?);
            }
        }
        Ok(())
    }
}

impl Leaf {
    fn open(&mut self, file: &ParquetFile, index: usize) -> Result<ColumnReader> {
        let reader = file.decode(|| file.reader.get_row_group(self.group)?.get_column_reader(index))?;
        self.group += 1;
        Ok(reader)
    }
}

/// Copies up to `most` rows; returns how many it were, none at the end of the row group.
fn copy_some(
    from: &mut ColumnReader,
    column: &ColumnDescriptor,
    most: usize,
    to: &mut SerializedColumnWriter<'_>,
) -> Result<usize, ParquetError> {
    match from {
        ColumnReader::BoolColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::Int32ColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::Int64ColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::Int96ColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::FloatColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::DoubleColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::ByteArrayColumnReader(from) => copy_typed(from, column, most, to),
        ColumnReader::FixedLenByteArrayColumnReader(from) => copy_typed(from, column, most, to),
    }
}

fn copy_typed<T: DataType>(
    from: &mut ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    most: usize,
    to: &mut SerializedColumnWriter<'_>,
) -> Result<usize, ParquetError> {
    let (mut definition, mut repetition, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let nullable = column.max_def_level() > 0;
    let repeated = column.max_rep_level() > 0;
    let (rows, ..) =
        from.read_records(most, nullable.then_some(&mut definition), repeated.then_some(&mut repetition), &mut values)?;
    if rows > 0 {
        let definition = nullable.then_some(definition.as_slice());
        let repetition = repeated.then_some(repetition.as_slice());
        to.typed::<T>().write_batch(&values, definition, repetition)?;
    }
    Ok(rows)
}
