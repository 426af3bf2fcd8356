//! The rows of an input, one after the other.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};
use firebrand_tables::ReadOptions;
use firebrand_tables::csv::{Layout, Records, fields};
use firebrand_tables::json::{Fixes, parse};
use firebrand_tables::wording::{counted, short};
use serde_json::Value;

use super::bytes::{Digesting, TextFile, read_error};
use super::format::Format;
use super::parquet::ParquetRows;
use super::rows::{Cell, Kept, Row, texts};
use super::survey::{MOST_ROW_BYTES, Survey, is_blank};

/// Where the texts are among the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextColumns {
    pub(super) text: usize,
    pub(super) pair: Option<usize>,
}

/// The rows of an input.
pub(super) enum Source {
    Csv(CsvRows),
    Json(JsonRows),
    Parquet(Box<ParquetRows>),
}

impl Source {
    /// Opens the input at its first row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(
        path: &Path,
        (format, compressed): (Format, bool),
        options: &ReadOptions,
        survey: &Survey,
        columns: TextColumns,
        output: Format,
    ) -> Result<Self> {
        let text_file = || TextFile::open(path, compressed, options.encoding, &Digesting::default());
        Ok(match format {
            Format::Parquet => Self::Parquet(Box::new(ParquetRows::open(path, columns, output != Format::Parquet)?)),
            Format::JsonLines => Self::Json(JsonRows {
                records: Records::lines(text_file()?.content, MOST_ROW_BYTES),
                path: path.to_owned(),
                names: survey.names(),
                columns,
                as_objects: output == Format::JsonLines,
            }),
            Format::Csv | Format::Tsv => {
                let Some(layout) = survey.layout.clone() else {
                    return Err(Error::other(format!("{} was looked at as another kind of file", path.display())));
                };
                let failed = |error: io::Error| read_error(path, &error);
                let records = Records::new(text_file()?.content, &layout, MOST_ROW_BYTES).map_err(failed)?;
                Self::Csv(CsvRows { records, path: path.to_owned(), layout, columns })
            }
        })
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read. A row that makes no sense is not an error.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Json(rows) => rows.next(),
            Self::Parquet(rows) => rows.next(),
        }
    }

    /// Moves on by a number of rows.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) fn skip(&mut self, rows: u64) -> Result<()> {
        match self {
            Self::Csv(source) => (0..rows)
                .try_for_each(|_| source.records.next().map(drop).map_err(|error| read_error(&source.path, &error))),
            Self::Json(source) => (0..rows).try_for_each(|_| source.skip()),
            Self::Parquet(source) => source.skip(rows),
        }
    }
}

/// The rows of a CSV or TSV file.
pub(super) struct CsvRows {
    records: Records<Box<dyn Read>>,
    path: PathBuf,
    layout: Layout,
    columns: TextColumns,
}

impl CsvRows {
    fn next(&mut self) -> Result<Option<Row>> {
        let Self { records, path, layout, columns } = self;
        let Some(record) = records.next().map_err(|error| read_error(path, &error))? else { return Ok(None) };
        let bytes = record.bytes.len();
        let expected = layout.names.len();
        let cells = match record.problem {
            Some(problem) => Err(problem),
            None => {
                let fields = fields(record.bytes, layout.separator, layout.quote);
                let found = fields.len();
                let like = if layout.has_header { "the header has" } else { "most rows have" };
                let cells = || fields.into_iter().map(Cell::field).collect();
                if found == expected {
                    Ok(cells())
                } else {
                    Err(format!("has {}, {like} {expected}", counted(found, "field")))
                }
            }
        };
        Ok(Some(match cells {
            Ok(cells) => row_of(cells, *columns, bytes),
            Err(problem) => bad_row(record.line, &problem, Kept::Cells(vec![Cell::Null; expected])),
        }))
    }
}

fn row_of(cells: Vec<Cell>, columns: TextColumns, bytes: usize) -> Row {
    let pair = columns.pair.map(|column| cells.get(column));
    Row { texts: texts(cells.get(columns.text), pair, MOST_ROW_BYTES), kept: Kept::Cells(cells), bytes }
}

/// A row that cannot be read: its columns are empty.
fn bad_row(line: u64, problem: &str, kept: Kept) -> Row {
    let colon = if problem.starts_with("has ") || problem.starts_with("is ") { "" } else { ":" };
    Row { texts: Err(format!("line {line}{colon} {problem}")), kept, bytes: 0 }
}

/// The rows of JSON Lines.
pub(super) struct JsonRows {
    records: Records<Box<dyn Read>>,
    path: PathBuf,
    names: Vec<String>,
    columns: TextColumns,
    /// Whether rows are kept as they are written, for an output of the same format.
    as_objects: bool,
}

impl JsonRows {
    fn skip(&mut self) -> Result<()> {
        while let Some(record) = self.records.next().map_err(|error| read_error(&self.path, &error))? {
            if !is_blank(record.bytes) {
                break;
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            let Some(record) = self.records.next().map_err(|error| read_error(&self.path, &error))? else {
                return Ok(None);
            };
            if is_blank(record.bytes) {
                continue;
            }
            let found = match (record.problem, std::str::from_utf8(record.bytes)) {
                (Some(problem), _) => Err(problem),
                (None, Ok(line)) => object(line),
                (None, Err(error)) => Err(format!("is not UTF-8: byte {} cannot be read", error.valid_up_to() + 1)),
            };
            let bytes = record.bytes.len();
            return Ok(Some(match found {
                Ok((object, mut values)) => {
                    let cell = |values: &mut serde_json::Map<String, Value>, name: &str| {
                        values.get_mut(name).map_or(Cell::Null, |value| Cell::value(value.take()))
                    };
                    let cells: Vec<Cell> = self.names.iter().map(|name| cell(&mut values, name)).collect();
                    let row = row_of(cells, self.columns, bytes);
                    if self.as_objects { Row { kept: Kept::Object(object), ..row } } else { row }
                }
                Err(problem) => {
                    let kept = match self.as_objects {
                        true => Kept::Object("{".to_owned()),
                        false => Kept::Cells(vec![Cell::Null; self.names.len()]),
                    };
                    bad_row(record.line, &problem, kept)
                }
            }));
        }
    }
}

/// An object as it is written, without its closing brace, and its values; or what is wrong with the line.
fn object(line: &str) -> Result<(String, serde_json::Map<String, Value>), String> {
    match parse(line) {
        Ok((Value::Object(values), fixes)) => {
            let written =
                if fixes == Fixes::default() { line.to_owned() } else { Value::Object(values.clone()).to_string() };
            let open = written.trim().strip_suffix('}').unwrap_or("{");
            Ok((open.to_owned(), values))
        }
        Ok((other, _)) => Err(format!("is not a JSON object: {}", short(&other.to_string(), 60))),
        Err(_) => Err(format!("is not valid JSON: {}", short(line, 60))),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_tables::Interface;
    use proptest::prelude::*;

    use super::*;
    use crate::files::rows::Texts;

    fn rows(name: &str, content: &[u8], columns: TextColumns, output: Format) -> Vec<Row> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        let format = Format::of_input(&path).unwrap();
        let options = ReadOptions::detect(Interface::CommandLine);
        let survey = Survey::of(&path, format, &options, &[]).unwrap();
        let open = || Source::open(&path, format, &options, &survey, columns, output).unwrap();
        let mut source = open();
        let mut rows = Vec::new();
        while let Some(row) = source.next().unwrap() {
            rows.push(row);
        }
        assert_eq!(rows.len() as u64, survey.rows);
        for skipped in 0..rows.len() {
            let mut source = open();
            source.skip(skipped as u64).unwrap();
            assert_eq!(source.next().unwrap().as_ref(), rows.get(skipped));
        }
        rows
    }

    const FIRST: TextColumns = TextColumns { text: 0, pair: None };

    fn texts_of(rows: &[Row]) -> Vec<Result<&str, &str>> {
        rows.iter().map(|row| row.texts.as_ref().map(|texts| texts.text.as_str()).map_err(String::as_str)).collect()
    }

    #[test]
    fn bad_rows_are_rows_all_the_same() {
        let content = b"text,n\na,1\nb\n,2\ncaf\xe9,3\n\"d\" e,4\n\"f,5\n";
        let found = rows("a.csv", content, FIRST, Format::Csv);
        assert_eq!(
            texts_of(&found),
            [
                Ok("a"),
                Err("line 3 has 1 field, the header has 2"),
                Err("there is no text"),
                Err("the text is not UTF-8: byte 4 cannot be read"),
                Err("line 6: after the quote that ends a field stands \" e,4\""),
                Err("line 7: a quote opens a field and nothing closes it"),
            ]
        );
        assert_eq!(found[3].kept, Kept::Cells(vec![Cell::Text(b"caf\xe9".to_vec()), Cell::Text(b"3".to_vec())]));
        assert_eq!(found[1].kept, Kept::Cells(vec![Cell::Null; 2]));
    }

    #[test]
    fn objects_are_kept_as_they_are_written() {
        let content = b"{\"text\": \"a\", \"big\": 123456789012345678901234567890, \"o\": {\"p\": {}}}\n\n[1]\n{}\n{\"text\": NaN}\n{\"text\":\"\xff\"}\n{";
        let found = rows("a.jsonl", content, FIRST, Format::JsonLines);
        let kept: Vec<&Kept> = found.iter().map(|row| &row.kept).collect();
        let object = |text: &str| Kept::Object(text.to_owned());
        assert_eq!(kept[0], &object("{\"text\": \"a\", \"big\": 123456789012345678901234567890, \"o\": {\"p\": {}}"));
        assert_eq!(kept[1..], [&object("{"), &object("{"), &object("{\"text\":null"), &object("{"), &object("{")]);
        assert_eq!(
            texts_of(&found),
            [
                Ok("a"),
                Err("line 3 is not a JSON object: [1]"),
                Err("there is no text"),
                Err("there is no text"),
                Err("line 6 is not UTF-8: byte 10 cannot be read"),
                Err("line 7 is not valid JSON: {"),
            ]
        );
        let found = rows("a.jsonl", b"{\"text\": \"a\"}\n{\"n\": 1}\n", FIRST, Format::Csv);
        assert_eq!(found[0].kept, Kept::Cells(vec![Cell::Value("a".into()), Cell::Null]));
    }

    #[test]
    fn pairs_need_both_texts() {
        let columns = TextColumns { text: 1, pair: Some(0) };
        let found = rows("a.tsv", b"b\ttext\nx\ty\n\ty\nx\t\n", columns, Format::Csv);
        let pair = Texts { text: "y".to_owned(), pair: Some("x".to_owned()) };
        assert_eq!(found[0].texts, Ok(pair));
        assert_eq!(found[1].texts, Err("there is no second text".to_owned()));
        assert_eq!(found[2].texts, Err("there is no text".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever a field of a quoted CSV holds, it is kept, and it is the text that is classified.
        #[test]
        fn fields_are_kept(texts in prop::collection::vec("[a\",;\t\r\né ]{0,8}", 1..8)) {
            let quoted = |text: &String| format!("\"{}\",\"x\"\n", text.replace('"', "\"\""));
            let content = format!("text,n\n{}", texts.iter().map(quoted).collect::<String>());
            let found = rows("a.csv", content.as_bytes(), FIRST, Format::Csv);
            let kept: Vec<Kept> = found.iter().map(|row| row.kept.clone()).collect();
            let expected = |text: &String| Kept::Cells(vec![Cell::field(text.clone().into_bytes()), Cell::Text(b"x".to_vec())]);
            prop_assert_eq!(kept, texts.iter().map(expected).collect::<Vec<_>>());
            for (row, text) in found.iter().zip(&texts) {
                prop_assert_eq!(row.texts.is_ok(), !text.trim().is_empty());
            }
        }
    }
}
