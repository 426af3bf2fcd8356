//! A first look at the whole input: how many rows it has, which columns, and its digest.
//!
//! It is read twice, therefore: a shard has to know where it starts, JSON Lines may have a column that appears in the last
//! row only, and a run that continues must be sure that the input is the same. Reading takes a small part of the time that
//! predicting takes.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, Result};
use firebrand_tables::csv::{Layout, Records};
use firebrand_tables::json::parse;
use firebrand_tables::{Kind, ReadOptions, what_instead};
use serde_json::{Map, Value};

use super::bytes::{Digest, Digesting, TextFile, digest_of, read_error};
use super::format::{Format, array};
use super::parquet::ParquetFile;

/// Rows of more bytes are not read.
pub(super) const MOST_ROW_BYTES: usize = 16 << 20;

/// JSON objects with more different keys than this are no rows of a table.
const MOST_COLUMNS: usize = 10_000;

/// The input, looked at once.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) digest: Digest,
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
    /// How the rows of a CSV or TSV file are written.
    pub(super) layout: Option<Layout>,
}

/// A column of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
}

/// What a column's values have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// All of them are missing.
    Null,
    Boolean,
    /// Integers that fit in 64 bits.
    Integer,
    Float,
    Text,
    /// Lists, objects, or values of several kinds.
    Json,
}

impl ColumnKind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(number) if number.is_f64() => Self::Float,
            Value::String(_) => Self::Text,
            Value::Number(_) | Value::Array(_) | Value::Object(_) => Self::Json,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (Self::Integer | Self::Float, Self::Integer | Self::Float) => Self::Float,
            _ => Self::Json,
        }
    }
}

impl Survey {
    /// Reads the input once. `named` are the columns that the user names.
    ///
    /// # Errors
    /// When it cannot be read, or is no table.
    pub(super) fn of(
        path: &Path,
        (format, compressed): (Format, bool),
        options: &ReadOptions,
        named: &[&str],
    ) -> Result<Self> {
        let progress = Progress::start("read the input", 0);
        let survey = match format {
            Format::Parquet => parquet(path),
            Format::JsonLines => json(path, compressed, options, &progress),
            Format::Csv | Format::Tsv => csv(path, (format.kind(), compressed), options, named, &progress),
        };
        progress.finish();
        survey
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

fn parquet(path: &Path) -> Result<Survey> {
    let digest = digest_of(path)?;
    let file = ParquetFile::open(path)?;
    let columns = file.names().into_iter().map(|name| Column { name, kind: ColumnKind::Json }).collect();
    Ok(Survey { digest, rows: file.rows(), columns, layout: None })
}

fn csv(
    path: &Path,
    (kind, compressed): (Kind, bool),
    options: &ReadOptions,
    named: &[&str],
    progress: &Progress,
) -> Result<Survey> {
    let digest = Digesting::default();
    let file = TextFile::open(path, compressed, options.encoding, &digest)?;
    let name = path.display().to_string();
    check_text(&name, &file)?;
    let sample = String::from_utf8_lossy(&file.sample);
    let layout = Layout::of(&name, &sample, file.is_whole, kind, options, named)?;
    let failed = |error: io::Error| read_error(path, &error);
    let mut records = Records::new(file.content, &layout, MOST_ROW_BYTES).map_err(failed)?;
    let mut rows = 0;
    while records.next().map_err(failed)?.is_some() {
        rows += 1;
        progress.inc(1);
    }
    let columns = layout.names.iter().map(|name| Column { name: name.clone(), kind: ColumnKind::Text }).collect();
    Ok(Survey { digest: digest.digest(), rows, columns, layout: Some(layout) })
}

fn json(path: &Path, compressed: bool, options: &ReadOptions, progress: &Progress) -> Result<Survey> {
    let digest = Digesting::default();
    let file = TextFile::open(path, compressed, options.encoding, &digest)?;
    check_text(&path.display().to_string(), &file)?;
    if file.sample.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(array(path));
    }
    let failed = |error: io::Error| read_error(path, &error);
    let mut records = Records::lines(file.content, MOST_ROW_BYTES);
    let (mut rows, mut columns) = (0, Vec::<Column>::new());
    let mut places = HashMap::new();
    while let Some(record) = records.next().map_err(failed)? {
        if is_blank(record.bytes) {
            continue;
        }
        rows += 1;
        progress.inc(1);
        // Rows that cannot be read are reported when their turn comes.
        let Some((Value::Object(row), _)) = std::str::from_utf8(record.bytes).ok().and_then(|line| parse(line).ok())
        else {
            continue;
        };
        add_columns(row, &mut columns, &mut places);
        if columns.len() > MOST_COLUMNS {
            return Err(Error::data(format!("{} has more than {MOST_COLUMNS} different keys", path.display()))
                .hint("every row of a table has the same columns: put what differs into an object below one key"));
        }
    }
    Ok(Survey { digest: digest.digest(), rows, columns, layout: None })
}

fn add_columns(row: Map<String, Value>, columns: &mut Vec<Column>, places: &mut HashMap<String, usize>) {
    for (name, value) in row {
        let kind = ColumnKind::of(&value);
        match places.get(&name) {
            Some(&place) => columns[place].kind = columns[place].kind.and(kind),
            None => {
                places.insert(name.clone(), columns.len());
                columns.push(Column { name, kind });
            }
        }
    }
}

/// Whether a line of JSON Lines is no row.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn check_text(name: &str, file: &TextFile) -> Result<()> {
    if file.sample.is_empty() {
        return Err(Error::data(format!("{name} is empty")));
    }
    match what_instead(&file.sample) {
        Some(what) => {
            Err(Error::data(format!("{name} is not a text but {what}"))
                .hint("save it as CSV, TSV, JSON Lines or Parquet"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_tables::Interface;

    use super::*;

    fn survey(name: &str, content: &str) -> Result<Survey, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        let format = Format::of_input(&path).unwrap();
        Survey::of(&path, format, &ReadOptions::detect(Interface::CommandLine), &[]).map_err(|error| error.render())
    }

    #[test]
    fn rows_are_counted_and_columns_found() {
        let found = survey("a.csv", "text,n\n\"a\nb\",1\n\nc,2\n").unwrap();
        assert_eq!((found.rows, found.names()), (2, vec!["text".to_owned(), "n".to_owned()]));
        assert_eq!(found.digest.bytes, 20);
        let found =
            survey("a.jsonl", "{\"text\":\"a\",\"n\":1}\n \nnonsense\n{\"n\":1.5,\"x\":[1]}\n{\"n\":null}\n").unwrap();
        assert_eq!(found.rows, 4);
        let kinds: Vec<_> = found.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
        assert_eq!(kinds, [("text", ColumnKind::Text), ("n", ColumnKind::Float), ("x", ColumnKind::Json)]);
        assert_eq!(survey("a.csv", "text\n").unwrap().rows, 0);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(survey("a.csv", "").unwrap_err().contains("a.csv is empty"));
        assert!(survey("a.jsonl", " [1]\n").unwrap_err().contains("jq -c"));
        assert!(survey("a.csv", "%PDF-1.4").unwrap_err().contains("is not a text but a PDF"));
    }
}
