//! Parquet in and out, a few rows at a time.
//!
//! From Parquet to Parquet, columns are copied value by value with their levels, so that nested ones come out as they went in;
//! for other outputs, rows are read as records.

mod copy;
mod read;
mod write;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::SchemaDescriptor;
use firebrand_pipeline::{Error, Result, catch_panic};

pub(super) use read::ParquetRows;
pub(super) use write::ParquetSink;

/// Values that are decoded at once.
const BATCH_ROWS: usize = 256;

/// An open file.
#[derive(Clone)]
pub(super) struct ParquetFile {
    /// Its name in messages.
    shown: String,
    reader: Arc<SerializedFileReader<File>>,
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
        let shown = path.display().to_string();
        let reader = decode(&shown, || SerializedFileReader::new(file))?;
        Ok(Self { shown, reader: Arc::new(reader) })
    }

    fn schema(&self) -> &SchemaDescriptor {
        self.reader.metadata().file_metadata().schema_descr()
    }

    /// The names of the top-level columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.schema().root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect()
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> u64 {
        (0..self.groups()).map(|group| self.group_rows(group)).sum()
    }

    fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    fn group_rows(&self, group: usize) -> u64 {
        self.reader.metadata().row_groups().get(group).map_or(0, |group| u64::try_from(group.num_rows()).unwrap_or(0))
    }

    /// The row group with a row, and how many of its rows come before.
    fn locate(&self, row: u64) -> (usize, u64) {
        let mut before = row;
        for group in 0..self.groups() {
            let rows = self.group_rows(group);
            if before < rows {
                return (group, before);
            }
            before -= rows;
        }
        (self.groups(), 0)
    }

    fn decode<T>(&self, decoding: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
        decode(&self.shown, decoding)
    }
}

/// Runs something that decodes a file: damage is an error, or a panic of the decoder.
fn decode<T>(shown: &str, decoding: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    let error = match catch_panic(decoding) {
        Ok(Ok(decoded)) => return Ok(decoded),
        Ok(Err(error)) => Error::data(format!("{shown} is not a Parquet file that can be read")).caused_by(&error),
        Err(panic) => Error::data(format!("{shown} is not a Parquet file that can be read"))
            .caused_by(&ParquetError::General(panic)),
    };
    Err(error.hint(
        "it is damaged, or written with a compression other than snappy and zstd, or with types that are not read",
    ))
}
