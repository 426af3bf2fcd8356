//! A Parquet file, read as far as it is wanted.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};
use polars::prelude::{
    ArrowField, ArrowSchema, DataFrame, DataType, ParallelStrategy, ParquetReader, PolarsResult, SerReader, Series,
};

use crate::calm::calmly;
use crate::seal::is_whole;

/// A column that a reader wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    /// A second name for it, after the first.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// What values a column may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Text,
    /// Text, or integers that stand for it.
    Name,
    Integer,
    Float,
    /// A list of integers, or one integer.
    Integers,
    Floats,
}

impl Wanted {
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, alias: None, kind, required: true }
    }

    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, alias: None, kind, required: false }
    }

    pub(crate) const fn or(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    fn expected(self) -> String {
        let name = self.alias.map_or_else(|| self.name.to_owned(), |alias| format!("{} or {alias}", self.name));
        format!("{name} ({}{})", self.kind.expected(), if self.required { "" } else { ", may be missing" })
    }
}

impl Kind {
    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Name => "text or integer",
            Self::Integer => "integer",
            Self::Float => "floating point",
            Self::Integers => "list of integers or integer",
            Self::Floats => "list of floating point",
        }
    }

    fn accepts(self, found: &DataType) -> bool {
        match (self, found) {
            // A column of nulls only, as pandas writes it; where a value is needed, its absence is found later.
            (_, DataType::Null) => true,
            (Self::Integers, DataType::List(inner)) => is_integer(inner) || **inner == DataType::Null,
            (Self::Floats, DataType::List(inner)) => is_float(inner) || **inner == DataType::Null,
            (Self::Text | Self::Name, found) if found.is_string() || found.is_categorical() || found.is_enum() => true,
            (Self::Name | Self::Integer | Self::Integers, found) => is_integer(found),
            (Self::Float, found) => is_float(found) || is_integer(found),
            _ => false,
        }
    }
}

fn is_integer(found: &DataType) -> bool {
    matches!(found, DataType::Int32 | DataType::Int64 | DataType::UInt32 | DataType::UInt64)
}

fn is_float(found: &DataType) -> bool {
    matches!(found, DataType::Float32 | DataType::Float64)
}

/// The wanted columns of a file, all of types that were asked for.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    frame: DataFrame,
}

impl Table {
    /// Reads the wanted columns, of which at least one is required; others are ignored.
    pub(crate) fn read(path: &Path, wanted: &[Wanted]) -> Result<Self> {
        let bytes = bytes(path)?;
        let reader = || ParquetReader::new(Cursor::new(bytes.as_slice()));
        let schema = decode(path, || reader().schema())?;
        let names = choose(path, &schema, wanted)?;
        // One thread, so that `calmly` sees whatever happens.
        let frame = decode(path, || {
            let reader = reader().with_columns(Some(names)).read_parallel(ParallelStrategy::None);
            reader.set_rechunk(true).finish()
        })?;
        Ok(Self { path: path.to_owned(), frame })
    }

    /// The number of rows.
    pub(crate) fn height(&self) -> usize {
        self.frame.height()
    }

    /// A column, where it is there.
    pub(crate) fn column(&self, wanted: Wanted) -> Option<&Series> {
        [Some(wanted.name), wanted.alias]
            .into_iter()
            .flatten()
            .find_map(|name| self.frame.column(name).ok())
            .map(|column| column.as_materialized_series())
    }

    /// An error about one value. Rows are counted from 0, as ids are.
    pub(crate) fn bad(&self, column: &str, row: usize, problem: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: column `{column}`, row {row} (from 0): {problem}", self.path.display()))
    }

    /// Turns a column into another type; values that have no form in it become null.
    pub(crate) fn cast(&self, column: &Series, to: &DataType) -> Result<Series> {
        self.step(|| column.cast(to))
    }

    /// Runs a step of polars on one of these columns.
    pub(crate) fn step<T>(&self, step: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
        decode(&self.path, step)
    }
}

/// The content of a file that looks like Parquet.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    const MAGIC: &[u8] = b"PAR1";
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    if !bytes.starts_with(MAGIC) {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).into_owned();
        let found = if bytes.is_empty() { "it is empty".to_owned() } else { format!("it starts with {start:?}") };
        return Err(Error::data(format!("{} is not a Parquet file: {found}", path.display())).hint(AGAIN));
    }
    if bytes.len() < 12 || !bytes.ends_with(MAGIC) {
        let problem =
            format!("{} is cut off after {} bytes: a Parquet file ends with `PAR1`", path.display(), bytes.len());
        return Err(Error::data(problem).hint(AGAIN));
    }
    if !is_whole(&bytes) {
        return Err(Error::data(format!("{} is damaged: it is not as it was written", path.display())).hint(AGAIN));
    }
    Ok(bytes)
}

const AGAIN: &str = "run the stage that wrote the file again: `cargo xtask stage NAME --force`";

/// Runs a step of the decoder; whatever goes wrong in it means that the file is damaged.
fn decode<T>(path: &Path, step: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let cause: Box<dyn std::error::Error> = match calmly(step) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => Box::new(error),
        Err(message) => message.into(),
    };
    Err(Error::data(format!("{} is damaged", path.display())).caused_by(cause.as_ref()).hint(AGAIN))
}

/// The names under which the file has the wanted columns.
fn choose(path: &Path, schema: &ArrowSchema, wanted: &[Wanted]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for column in wanted {
        let field = [Some(column.name), column.alias].into_iter().flatten().find_map(|name| schema.get(name));
        let Some(field) = field else {
            if column.required {
                return Err(missing(path, schema, *column, wanted));
            }
            continue;
        };
        let found = type_of(field);
        if !found.as_ref().is_some_and(|found| column.kind.accepts(found)) {
            return Err(wrong_type(path, field, found.as_ref(), *column));
        }
        names.push(field.name.to_string());
    }
    Ok(names)
}

/// A column's type, where polars has one for it.
fn type_of(field: &ArrowField) -> Option<DataType> {
    calmly(|| DataType::from_arrow_field(field)).ok()
}

fn name_of(found: Option<&DataType>) -> String {
    found.map_or_else(|| "a type that is not known here".to_owned(), ToString::to_string)
}

fn missing(path: &Path, schema: &ArrowSchema, column: Wanted, wanted: &[Wanted]) -> Error {
    let named = column.alias.map_or_else(String::new, |alias| format!(" (nor `{alias}`)"));
    let seen: Vec<_> =
        schema.iter_values().map(|field| format!("{} ({})", field.name, name_of(type_of(field).as_ref()))).collect();
    let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
    let expected: Vec<_> = wanted.iter().map(|column| column.expected()).collect();
    Error::data(format!("{} has no column `{}`{named}; it has: {seen}", path.display(), column.name))
        .hint(format!("expected columns: {}", expected.join(", ")))
}

fn wrong_type(path: &Path, field: &ArrowField, found: Option<&DataType>, column: Wanted) -> Error {
    let message = format!(
        "{}: column `{}` is {}, expected {}",
        path.display(),
        field.name,
        name_of(found),
        column.kind.expected()
    );
    let error = Error::data(message);
    match found.map(|found| found.leaf_dtype()) {
        Some(DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16) => {
            error.hint("write the column as int32 or int64")
        }
        Some(DataType::Float32 | DataType::Float64) => {
            error.hint("some writers turn integers into floating point where values are missing: fill these first")
        }
        _ => error,
    }
}
