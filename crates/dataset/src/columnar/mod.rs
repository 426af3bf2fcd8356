//! Columnar files, Parquet and Arrow, decoded column by column into plain Rust.
//!
//! Reads files of any writer: integers of every width, dictionaries, lists of either offset size. It uses only polars' Arrow
//! and Parquet layers: the data frames are not needed here and would take most of the compile time. Columns of other types
//! (structs, dates, decimals, binary) are [`ColumnType::Other`]; a file may contain them, but they cannot be read.

mod arrow;
mod parquet;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use ::arrow::datatypes::Field;
use firebrand_pipeline::catch_panic;

pub use parquet::write as write_parquet;
pub(crate) use parquet::{list, write_arrays};
pub use values::Values;

/// The type of a column's values, as far as readers need to distinguish types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Only missing values.
    Null,
    /// `true` and `false`.
    Boolean,
    /// Integers of any width.
    Integer,
    /// Floating point of any width.
    Float,
    /// Texts, plain or as a dictionary.
    Text,
    /// Anything else.
    Other,
}

/// A column of a [`ColumnarFile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// The name of the column.
    pub name: String,
    /// The type of the values or, if they are lists, of their items.
    pub kind: ColumnType,
    /// Whether the values are lists.
    pub is_list: bool,
    /// The name of the type in messages, such as `list[i64]`.
    pub type_name: String,
}

impl ColumnInfo {
    fn of(field: &Field) -> Self {
        let (kind, is_list) = values::kind_of(field.dtype());
        Self { name: field.name.to_string(), kind, is_list, type_name: values::type_name(field.dtype()) }
    }
}

/// Why a columnar file cannot be decoded: the decoder's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

/// A Parquet or Arrow file in memory. Opening it reads the schema; columns are decoded on demand.
#[derive(Debug)]
pub struct ColumnarFile {
    columns: Vec<ColumnInfo>,
    rows: usize,
    metadata: BTreeMap<String, String>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Parquet(Box<parquet::Source>),
    Arrow(arrow::Source),
}

impl ColumnarFile {
    /// Opens a Parquet file.
    ///
    /// # Errors
    /// When its metadata cannot be decoded.
    pub fn parquet(bytes: Vec<u8>) -> Result<Self, Damage> {
        let (source, opened) = decode(|| parquet::Source::open(bytes))?;
        Ok(opened.file(Source::Parquet(Box::new(source))))
    }

    /// Opens an Arrow file (Feather version 2) or an Arrow stream, recognised by its first bytes.
    ///
    /// # Errors
    /// When its schema cannot be decoded.
    pub fn arrow(bytes: Vec<u8>) -> Result<Self, Damage> {
        let (source, opened) = decode(|| arrow::Source::open(bytes))?;
        Ok(opened.file(Source::Arrow(source)))
    }

    /// The columns, in the file's order.
    pub fn columns(&self) -> &[ColumnInfo] {
        &self.columns
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A value in the schema's key-value metadata, such as `huggingface` or `pandas`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The values of a column, by its index in [`ColumnarFile::columns`].
    ///
    /// # Errors
    /// When the file is damaged, has no such column, or the column is [`ColumnType::Other`].
    pub fn values(&self, column: usize) -> Result<Values, Damage> {
        let info = self.columns.get(column).ok_or_else(|| Damage(format!("there is no column {column}")))?;
        let values = decode(|| match &self.source {
            Source::Parquet(source) => source.values(column),
            Source::Arrow(source) => source.values(column),
        })?;
        if values.len() != self.rows {
            return Err(Damage(format!("column `{}` has {} values for {} rows", info.name, values.len(), self.rows)));
        }
        Ok(values)
    }
}

/// The schema and size of an opened file.
struct Opened {
    columns: Vec<ColumnInfo>,
    rows: usize,
    metadata: BTreeMap<String, String>,
}

impl Opened {
    fn file(self, source: Source) -> ColumnarFile {
        ColumnarFile { columns: self.columns, rows: self.rows, metadata: self.metadata, source }
    }
}

/// The error of a decoding step.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Runs a decoding step; both its errors and its panics mean that the file is damaged.
pub(crate) fn decode<T>(step: impl FnOnce() -> Result<T, Cause>) -> Result<T, Damage> {
    match catch_panic(step) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Damage(error.to_string())),
        Err(message) => Err(Damage(message)),
    }
}

#[cfg(test)]
mod tests;
