//! Reads the columns of a Parquet file that a reader needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};

use crate::columnar::{ColumnInfo, ColumnType, ColumnarFile, Damage, Values};
use crate::seal::is_whole;

/// A column that a reader needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    /// An alternative name, used if there is no column `name`.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// The types that a column may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Text,
    /// Text, or integers used as names.
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

    fn accepts(self, found: &ColumnInfo) -> bool {
        match (self, found.kind, found.is_list) {
            // Null columns, as pandas writes them; missing values are reported later if they are required.
            (_, ColumnType::Null, false) => true,
            (Self::Integers, ColumnType::Integer | ColumnType::Null, _) => true,
            (Self::Floats, ColumnType::Float | ColumnType::Null, true) => true,
            (_, _, true) => false,
            (Self::Text, ColumnType::Text, _) => true,
            (Self::Name, ColumnType::Text | ColumnType::Integer, _) => true,
            (Self::Integer, ColumnType::Integer, _) => true,
            (Self::Float, ColumnType::Float | ColumnType::Integer, _) => true,
            _ => false,
        }
    }
}

/// The wanted columns of a file, with the types that the reader accepts.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    rows: usize,
    /// By [`Wanted::name`], even if the file uses the alias.
    columns: BTreeMap<&'static str, Values>,
}

impl Table {
    /// Reads the wanted columns, of which at least one must be required; other columns are ignored.
    pub(crate) fn read(path: &Path, wanted: &[Wanted]) -> Result<Self> {
        let damaged =
            |damage: Damage| Error::data(format!("{} is damaged", path.display())).caused_by(&damage).hint(AGAIN);
        let file = ColumnarFile::parquet(bytes(path)?).map_err(damaged)?;
        let mut columns = BTreeMap::new();
        for (name, place) in choose(path, file.columns(), wanted)? {
            columns.insert(name, file.values(place).map_err(damaged)?);
        }
        Ok(Self { path: path.to_owned(), rows: file.rows(), columns })
    }

    /// The number of rows.
    pub(crate) fn height(&self) -> usize {
        self.rows
    }

    /// A column, if the file has it.
    pub(crate) fn column(&self, wanted: Wanted) -> Option<&Values> {
        self.columns.get(wanted.name)
    }

    /// A data error about one value. Rows are numbered from 0, like ids.
    pub(crate) fn bad(&self, column: &str, row: usize, problem: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: column `{column}`, row {row} (from 0): {problem}", self.path.display()))
    }
}

/// Reads a file and checks that it is a complete Parquet file with an intact seal.
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
        return Err(Error::data(format!("{} is damaged: its checksum does not match", path.display())).hint(AGAIN));
    }
    Ok(bytes)
}

const AGAIN: &str = "run the stage that wrote the file again: `cargo xtask stage NAME --force`";

/// Names and indices of the wanted columns that the file has.
fn choose(path: &Path, found: &[ColumnInfo], wanted: &[Wanted]) -> Result<Vec<(&'static str, usize)>> {
    let mut chosen = Vec::new();
    for column in wanted {
        let names = [Some(column.name), column.alias].into_iter().flatten();
        let place = names.into_iter().find_map(|name| found.iter().position(|found| found.name == name));
        let Some((place, info)) = place.and_then(|place| Some((place, found.get(place)?))) else {
            if column.required {
                return Err(missing(path, found, *column, wanted));
            }
            continue;
        };
        if !column.kind.accepts(info) {
            return Err(wrong_type(path, info, *column));
        }
        chosen.push((column.name, place));
    }
    Ok(chosen)
}

fn missing(path: &Path, found: &[ColumnInfo], column: Wanted, wanted: &[Wanted]) -> Error {
    let named = column.alias.map_or_else(String::new, |alias| format!(" (nor `{alias}`)"));
    let seen: Vec<_> = found.iter().map(|column| format!("{} ({})", column.name, column.type_name)).collect();
    let seen = if seen.is_empty() { "none".to_owned() } else { seen.join(", ") };
    let expected: Vec<_> = wanted.iter().map(|column| column.expected()).collect();
    Error::data(format!("{} has no column `{}`{named}; it has: {seen}", path.display(), column.name))
        .hint(format!("expected columns: {}", expected.join(", ")))
}

fn wrong_type(path: &Path, found: &ColumnInfo, column: Wanted) -> Error {
    let error = Error::data(format!(
        "{}: column `{}` is {}, expected {}",
        path.display(),
        found.name,
        found.type_name,
        column.kind.expected()
    ));
    match found.kind {
        ColumnType::Float => {
            error.hint("some writers turn integers into floating point if values are missing: fill these in first")
        }
        _ => error,
    }
}
