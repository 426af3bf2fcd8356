//! Outputs, written in parts: each holds the rows of one step, and all of them in their order are the output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use csv::WriterBuilder;
use firebrand_pipeline::{Error, Result};

use super::format::Format;
use super::parquet::ParquetSink;
use super::predicted::{Outcome, Predicted, What};
use super::rows::{Cell, Kept, Row};
use super::survey::Survey;

/// Rows with their predictions.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) rows: Vec<Row>,
    pub(super) outcomes: Vec<Outcome>,
}

/// How the output is written.
pub(super) enum Sink {
    /// With the separator.
    Csv(Fields, u8),
    JsonLines(Fields),
    Parquet(Box<ParquetSink>),
}

/// The columns of the output.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    /// The input's.
    pub(super) kept: Vec<String>,
    pub(super) predicted: Predicted,
}

impl Sink {
    /// An output of this format. `input` is where the columns come from, which the output copies itself if both are Parquet;
    /// the first row that is written is `row`.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) fn new(
        output: Format,
        (input, format): (&Path, Format),
        survey: &Survey,
        predicted: Predicted,
        row: u64,
    ) -> Result<Self> {
        let fields = Fields { kept: survey.names(), predicted };
        Ok(match output {
            Format::Csv => Self::Csv(fields, b','),
            Format::Tsv => Self::Csv(fields, b'\t'),
            Format::JsonLines => Self::JsonLines(Fields { kept: numbered(&fields.kept), ..fields }),
            Format::Parquet => {
                let columns = numbered(&fields.kept).into_iter().zip(survey.columns.iter().map(|column| column.kind));
                let from = (format == Format::Parquet).then_some((input, row));
                Self::Parquet(Box::new(ParquetSink::new(columns.collect(), fields.predicted, from)?))
            }
        })
    }

    /// Writes rows as a part, and makes sure that they are on the disk.
    ///
    /// # Errors
    /// When they cannot be written: a full disk.
    pub(super) fn write_part(&mut self, path: &Path, step: &Step) -> Result<()> {
        let file = File::create(path).map_err(|error| Error::io("write", path, &error))?;
        let synced = file.try_clone().map_err(|error| Error::io("write", path, &error))?;
        match self {
            Self::Csv(fields, separator) => {
                fields.write_csv(file, *separator, step).map_err(|error| Error::io("write", path, &error))?;
            }
            Self::JsonLines(fields) => {
                fields.write_json(file, step).map_err(|error| Error::io("write", path, &error))?;
            }
            Self::Parquet(sink) => sink.write_part(path, file, step)?,
        }
        synced.sync_all().map_err(|error| Error::io("write", path, &error))
    }

    /// Joins the parts to the whole output, and makes sure that it is on the disk.
    ///
    /// # Errors
    /// When a part cannot be read or the output cannot be written.
    pub(super) fn join(&self, parts: &[PathBuf], path: &Path) -> Result<()> {
        let failed = |error: &io::Error| Error::io("write", path, error);
        let mut file = File::create(path).map_err(|error| failed(&error))?;
        match self {
            Self::Parquet(sink) => sink.join(parts, path, &file)?,
            Self::Csv(fields, separator) => {
                fields.write_header(&file, *separator).map_err(|error| failed(&error))?;
                concatenate(parts, &mut file)?;
            }
            Self::JsonLines(_) => concatenate(parts, &mut file)?,
        }
        file.sync_all().map_err(|error| failed(&error))
    }
}

fn concatenate(parts: &[PathBuf], to: &mut File) -> Result<()> {
    parts.iter().try_for_each(|part| {
        let copied = File::open(part).and_then(|mut part| io::copy(&mut part, to));
        copied.map(drop).map_err(|error| Error::io("copy", part, &error))
    })
}

/// Names, of which empty ones become the columns' numbers: a key cannot be empty twice.
fn numbered(names: &[String]) -> Vec<String> {
    let named = (1..).zip(names);
    named.map(|(number, name): (usize, _)| if name.is_empty() { number.to_string() } else { name.clone() }).collect()
}

impl Fields {
    fn write_header(&self, file: &File, separator: u8) -> io::Result<()> {
        let mut writer = WriterBuilder::new().delimiter(separator).from_writer(file);
        let predicted = self.predicted.columns.iter().map(|(name, _)| name);
        writer.write_record(self.kept.iter().chain(predicted))?;
        writer.flush()
    }

    fn write_csv(&self, file: impl Write, separator: u8, step: &Step) -> io::Result<()> {
        let mut writer = WriterBuilder::new().delimiter(separator).from_writer(file);
        for (row, outcome) in step.rows.iter().zip(&step.outcomes) {
            if let Kept::Cells(cells) = &row.kept {
                cells.iter().try_for_each(|cell| writer.write_field(cell.to_field()))?;
            }
            for (_, column) in &self.predicted.columns {
                writer.write_field(self.predicted.value(outcome, *column).to_field())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.flush()
    }

    fn write_json(&self, file: impl Write, step: &Step) -> io::Result<()> {
        let mut out = BufWriter::new(file);
        for (row, outcome) in step.rows.iter().zip(&step.outcomes) {
            let mut object = match &row.kept {
                Kept::Object(object) => object.clone(),
                Kept::Cells(cells) => format!("{{{}", members(self.kept.iter().zip(cells))),
                Kept::Elsewhere => "{".to_owned(),
            };
            for (name, column) in &self.predicted.columns {
                // Most rows have no error.
                if *column == What::Error && outcome.error().is_none() {
                    continue;
                }
                let comma = if object.trim_end() == "{" { "" } else { "," };
                let value = self.predicted.value(outcome, *column).to_json();
                object.push_str(&format!("{comma}{}:{value}", serde_json::Value::from(name.as_str())));
            }
            writeln!(out, "{object}}}")?;
        }
        out.flush()
    }
}

fn members<'a>(cells: impl Iterator<Item = (&'a String, &'a Cell)>) -> String {
    let member =
        |(name, cell): (&String, &Cell)| format!("{}:{}", serde_json::Value::from(name.as_str()), cell.to_json());
    cells.map(member).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::predicted::Shape;
    use super::*;

    fn fields(kept: &[&str]) -> Fields {
        let shape = Shape { labels: vec!["a".to_owned()], multi_label: false, top_k: 1, threshold: 0.5, scores: false };
        let kept: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
        Fields { predicted: Predicted::new(shape, &kept).unwrap(), kept }
    }

    fn step(kept: Vec<Kept>) -> Step {
        let row = |kept| Row { texts: Err(String::new()), kept, bytes: 0 };
        let outcomes = kept.iter().map(|_| Outcome::refused("no \"text\"".to_owned())).collect();
        Step { rows: kept.into_iter().map(row).collect(), outcomes }
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let cells = ["a, b", "c\r\nd", "\"", "\u{feff}", ""].map(|text| Cell::field(text.as_bytes().to_vec()));
        let mut out = Vec::new();
        let step = step(vec![Kept::Cells(cells.to_vec())]);
        fields(&[]).write_csv(&mut out, b',', &step).unwrap();
        let expected = "\"a, b\",\"c\r\nd\",\"\"\"\",\u{feff},,,,\"no \"\"text\"\"\"\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn objects_get_further_members() {
        let cells = vec![Cell::field(b"x".to_vec()), Cell::value(json!([1]))];
        let step = step(vec![Kept::Object("{ ".to_owned()), Kept::Object("{\"a\": {}".to_owned()), Kept::Cells(cells)]);
        let mut out = Vec::new();
        fields(&["t", "n"]).write_json(&mut out, &step).unwrap();
        let added = "\"label\":null,\"score\":null,\"error\":\"no \\\"text\\\"\"}";
        let expected = format!("{{ {added}\n{{\"a\": {{}},{added}\n{{\"t\":\"x\",\"n\":[1],{added}\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn names_that_are_empty_become_numbers() {
        assert_eq!(numbered(&["".to_owned(), "a".to_owned(), "".to_owned()]), ["1", "a", "3"]);
    }
}
