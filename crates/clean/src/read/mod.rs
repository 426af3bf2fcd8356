//! The files of tables, each as rows of named values.

mod bytes;
mod csv;
mod document;
mod json;
mod parquet;

use firebrand_pipeline::Result;

use crate::files::{Kind, SourceFile};

pub(crate) use document::read as read_document;

/// A file of rows with named columns. Columns are turned into texts only when they are asked for, so that odd ones that
/// nobody needs do no harm.
pub(crate) trait Table {
    /// The names of the columns, in the file's order.
    fn names(&self) -> &[String];

    /// The values of a column as texts; none where a value is missing. `column` is an index in [`Table::names`].
    ///
    /// # Errors
    /// When a value is no text, number or boolean.
    fn column(&self, column: usize) -> Result<Vec<Option<String>>>;

    /// The values of a column as lists of texts: what is a list already, and a text, parted where it has the separator.
    ///
    /// # Errors
    /// When a value is no text, number, boolean or list of them.
    fn lists(&self, column: usize, separator: Option<&str>) -> Result<Vec<Vec<String>>> {
        Ok(self.column(column)?.into_iter().map(|value| parted(value, separator)).collect())
    }

    /// Where a row stands in its file, from 1: see [`unit`].
    fn place(&self, row: usize) -> u64;
}

/// What [`Table::place`] counts: text files have lines, Parquet has only rows.
pub(crate) fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::Csv | Kind::Tsv | Kind::JsonLines => "line",
        Kind::Json | Kind::Parquet | Kind::Document => "row",
    }
}

/// Reads a file of rows.
///
/// # Errors
/// A data error that names the file and the line or row.
pub(crate) fn read_table(file: &SourceFile) -> Result<Box<dyn Table>> {
    let bytes = bytes::read(file)?;
    Ok(match file.kind {
        Kind::Parquet => Box::new(parquet::Parquet::new(&file.name, bytes)?),
        Kind::Csv | Kind::Tsv => Box::new(csv::Csv::new(&file.name, bytes::text(&file.name, &bytes)?, file.kind)?),
        Kind::JsonLines | Kind::Json | Kind::Document => {
            Box::new(json::Json::new(&file.name, bytes::text(&file.name, &bytes)?, file.kind)?)
        }
    })
}

/// A text as a list; parts without space around them. Without a separator it is a list of one.
fn parted(value: Option<String>, separator: Option<&str>) -> Vec<String> {
    match (value, separator) {
        (None, _) => Vec::new(),
        (Some(text), None) => vec![text],
        (Some(text), Some(separator)) => text.split(separator).map(|part| part.trim().to_owned()).collect(),
    }
}

/// A number as a text; whole ones as integers, as some writers turn integers into floating point where values are missing.
fn number(float: f64) -> String {
    if float.fract() == 0.0 && float.abs() < 1e15 { format!("{float:.0}") } else { float.to_string() }
}
