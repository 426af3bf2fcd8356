//! The files of tables, each as rows of named values.

mod bytes;
mod columnar;
mod csv;
mod document;
mod features;
mod json;
mod literal;
mod options;

use firebrand_pipeline::Result;
use firebrand_tables::{BadRow, Csv, Kind};

use self::columnar::Columnar;
use self::json::Json;
use crate::files::SourceFile;
use crate::settings::Settings;

pub(crate) use document::read as read_document;
pub(crate) use literal::list as list_literal;
pub(crate) use options::read_options;

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

    /// Where a row stands in its file, from 1: see [`Kind::unit`].
    fn place(&self, row: usize) -> u64;

    /// The rows that could not be read and are left out, in their order.
    fn bad_rows(&self) -> &[BadRow] {
        &[]
    }

    /// What the user should know about how the file was read.
    fn notes(&self) -> &[String] {
        &[]
    }

    /// The columns of texts and labels, if the file does not name its columns and their content shows them.
    fn by_content(&self) -> Option<(usize, usize)> {
        None
    }

    /// The names of the classes whose numbers a column holds, if the file names them.
    fn class_names(&self, _column: usize) -> Option<Vec<String>> {
        None
    }
}

/// Reads a file of rows, and what to tell the user if its encoding was guessed.
///
/// # Errors
/// A data error that names the file and the line or row.
pub(crate) fn read_table(file: &SourceFile, settings: &Settings) -> Result<(Box<dyn Table>, Option<String>)> {
    let (bytes, options) = (bytes::read(file)?, &settings.reading);
    let text = || bytes::text(&file.name, &bytes, options.encoding);
    Ok(match file.kind {
        Kind::Parquet => (Box::new(Columnar::parquet(&file.name, bytes)?), None),
        Kind::Arrow => {
            // `save_to_disk` describes the data in a file next to it.
            let info = std::fs::read_to_string(file.path.with_file_name("dataset_info.json")).ok();
            (Box::new(Columnar::arrow(&file.name, bytes, info)?), None)
        }
        Kind::Csv | Kind::Tsv => {
            let (text, note) = text()?;
            (Box::new(Csv::new(&file.name, &text, file.kind, options, &settings.named_columns())?), note)
        }
        Kind::JsonLines | Kind::Json | Kind::Document => {
            let (text, note) = text()?;
            (Box::new(Json::new(&file.name, &text, file.kind, options.bad_rows)?), note)
        }
    })
}

/// A text as a list: a list literal, or else its parts, without space around them. Without a separator it is a list of one.
fn parted(value: Option<String>, separator: Option<&str>) -> Vec<String> {
    let Some(text) = value else { return Vec::new() };
    match (list_literal(&text), separator) {
        (Some(items), _) => items,
        (None, None) => vec![text],
        (None, Some(separator)) => text.split(separator).map(|part| part.trim().to_owned()).collect(),
    }
}
