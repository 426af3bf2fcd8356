//! Parquet output: a part is a file with one row group, and the row groups of all parts are the output.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use ::parquet::file::reader::FileReader;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};
use firebrand_pipeline::{Error, Result};
use serde_json::Value as Json;

use super::ParquetFile;
use super::copy::Copier;
use crate::files::predicted::{Outcome, Predicted, Value, What};
use crate::files::rows::{Cell, Kept};
use crate::files::sink::Step;
use crate::files::survey::ColumnKind;

/// An output file.
pub(in crate::files) struct ParquetSink {
    /// The input's columns, unless they are copied.
    columns: Vec<(String, ColumnKind)>,
    copier: Option<Copier>,
    predicted: Predicted,
    schema: TypePtr,
    properties: WriterPropertiesPtr,
}

type Written<T = ()> = Result<T, ParquetError>;

impl ParquetSink {
    /// An output with the columns of the input, and the predicted ones. `from` is a Parquet file to copy the columns from, and
    /// the row where that starts.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub(in crate::files) fn new(
        columns: Vec<(String, ColumnKind)>,
        predicted: Predicted,
        from: Option<(&Path, u64)>,
    ) -> Result<Self> {
        let copier = from.map(|(path, row)| Copier::open(path, row)).transpose()?;
        let schema = schema(&columns, copier.as_ref(), &predicted).map_err(|error| unwritable(&error))?;
        let level = ZstdLevel::try_new(1).map_err(|error| unwritable(&error))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("firebrand ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        Ok(Self { columns, copier, predicted, schema: Arc::new(schema), properties: Arc::new(properties) })
    }

    /// Writes rows as a file with one row group.
    ///
    /// # Errors
    /// When it cannot be written, or columns cannot be copied.
    pub(in crate::files) fn write_part(&mut self, path: &Path, file: File, step: &Step) -> Result<()> {
        let failed = |error: ParquetError| cannot_write(path, &error);
        let mut writer =
            SerializedFileWriter::new(BufWriter::new(file), Arc::clone(&self.schema), Arc::clone(&self.properties))
                .map_err(failed)?;
        let mut group = writer.next_row_group().map_err(failed)?;
        match &mut self.copier {
            Some(copier) => {
                let rows = step.rows.len() as u64;
                for leaf in 0..copier.leaves() {
                    let mut column = next(&mut group).map_err(failed)?;
                    copier.copy(leaf, rows, &mut column)?;
                    column.close().map_err(failed)?;
                }
            }
            None => {
                for (place, (_, kind)) in self.columns.iter().enumerate() {
                    let cells = step.rows.iter().map(|row| match &row.kept {
                        Kept::Cells(cells) => cells.get(place).unwrap_or(&Cell::Null),
                        Kept::Object(_) | Kept::Elsewhere => &Cell::Null,
                    });
                    write_cells(&mut group, *kind, cells).map_err(failed)?;
                }
            }
        }
        for (_, what) in &self.predicted.columns {
            write_predicted(&mut group, &self.predicted, *what, &step.outcomes).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        writer.close().map(drop).map_err(failed)
    }

    /// Joins parts, whose bytes are copied as they are.
    ///
    /// # Errors
    /// When a part cannot be read or the output cannot be written.
    pub(in crate::files) fn join(&self, parts: &[PathBuf], path: &Path, file: &File) -> Result<()> {
        let failed = |error: ParquetError| cannot_write(path, &error);
        let mut writer =
            SerializedFileWriter::new(BufWriter::new(file), Arc::clone(&self.schema), Arc::clone(&self.properties))
                .map_err(failed)?;
        for part in parts {
            let opened = ParquetFile::open(part)?;
            let bytes = File::open(part).map_err(|error| Error::io("read", part, &error))?;
            for group in opened.reader.metadata().row_groups() {
                let mut to = writer.next_row_group().map_err(failed)?;
                for column in group.columns() {
                    let closed = ColumnCloseResult {
                        bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
                        rows_written: u64::try_from(group.num_rows()).unwrap_or_default(),
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: None,
                        offset_index: None,
                    };
                    to.append_column(&bytes, closed).map_err(failed)?;
                }
                to.close().map_err(failed)?;
            }
        }
        writer.close().map(drop).map_err(failed)
    }
}

fn unwritable(error: &ParquetError) -> Error {
    Error::data("the columns of the input cannot be written as Parquet")
        .caused_by(error)
        .hint("write JSON Lines: an output that ends in .jsonl")
}

fn cannot_write(path: &Path, error: &ParquetError) -> Error {
    Error::other(format!("cannot write {}", path.display())).caused_by(error)
}

fn schema(columns: &[(String, ColumnKind)], copier: Option<&Copier>, predicted: &Predicted) -> Written<Type> {
    let mut fields: Vec<TypePtr> = match copier {
        Some(copier) => copier.fields().to_vec(),
        None => columns.iter().map(|(name, kind)| kept_type(name, *kind).map(Arc::new)).collect::<Written<_>>()?,
    };
    for (name, what) in &predicted.columns {
        fields.push(Arc::new(match what {
            What::Label(_) | What::Error => text_type(name)?,
            What::Score(_) | What::ScoreOf(_) => plain_type(name, PhysicalType::FLOAT)?,
            What::Labels => list_type(name, text_type("element")?)?,
            What::Scores => list_type(name, plain_type("element", PhysicalType::FLOAT)?)?,
        }));
    }
    Type::group_type_builder("schema").with_fields(fields).build()
}

fn kept_type(name: &str, kind: ColumnKind) -> Written<Type> {
    match kind {
        ColumnKind::Boolean => plain_type(name, PhysicalType::BOOLEAN),
        ColumnKind::Integer => plain_type(name, PhysicalType::INT64),
        ColumnKind::Float => plain_type(name, PhysicalType::DOUBLE),
        ColumnKind::Null | ColumnKind::Text | ColumnKind::Json => text_type(name),
    }
}

fn plain_type(name: &str, kind: PhysicalType) -> Written<Type> {
    Type::primitive_type_builder(name, kind).with_repetition(Repetition::OPTIONAL).build()
}

fn text_type(name: &str) -> Written<Type> {
    Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(ConvertedType::UTF8)
        .with_logical_type(Some(LogicalType::String))
        .build()
}

/// A list as the format's specification has it, in three levels.
fn list_type(name: &str, element: Type) -> Written<Type> {
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(ConvertedType::LIST)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()
}

fn next<'a>(group: &'a mut SerializedRowGroupWriter<'_, BufWriter<File>>) -> Written<SerializedColumnWriter<'a>> {
    group.next_column()?.ok_or_else(|| ParquetError::General("there are fewer columns than expected".to_owned()))
}

/// Writes a column of values that may be missing.
fn write_optional<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Written {
    let mut column = next(group)?;
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}

fn write_cells<'a>(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    kind: ColumnKind,
    cells: impl Iterator<Item = &'a Cell>,
) -> Written {
    let value = |cell: &'a Cell| match cell {
        Cell::Value(value) => Some(value),
        Cell::Null | Cell::Text(_) => None,
    };
    match kind {
        ColumnKind::Boolean => write_optional::<BoolType>(group, cells.map(|cell| value(cell).and_then(Json::as_bool))),
        ColumnKind::Integer => write_optional::<Int64Type>(group, cells.map(|cell| value(cell).and_then(Json::as_i64))),
        ColumnKind::Float => write_optional::<DoubleType>(group, cells.map(|cell| value(cell).and_then(Json::as_f64))),
        ColumnKind::Text | ColumnKind::Null | ColumnKind::Json => {
            let json = kind == ColumnKind::Json;
            write_optional::<ByteArrayType>(group, cells.map(|cell| text_of(cell, json)))
        }
    }
}

/// A cell as a text; in a column of values of several kinds as JSON, so that `"1"` and `1` differ.
fn text_of(cell: &Cell, json: bool) -> Option<ByteArray> {
    match cell {
        Cell::Null => None,
        Cell::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned().into_bytes().into()),
        Cell::Value(value) if json => Some(value.to_string().into_bytes().into()),
        Cell::Value(_) => Some(cell.to_field().into_owned().into()),
    }
}

fn write_predicted(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    predicted: &Predicted,
    what: What,
    outcomes: &[Outcome],
) -> Written {
    let values = outcomes.iter().map(|outcome| predicted.value(outcome, what));
    match what {
        What::Label(_) | What::Error => write_optional::<ByteArrayType>(
            group,
            values.map(|value| match value {
                Value::Text(text) => Some(text.as_bytes().to_vec().into()),
                _ => None,
            }),
        ),
        What::Score(_) | What::ScoreOf(_) => write_optional::<FloatType>(
            group,
            values.map(|value| match value {
                Value::Float(score) => Some(score),
                _ => None,
            }),
        ),
        What::Labels => write_lists::<ByteArrayType>(
            group,
            values.map(|value| match value {
                Value::Texts(texts) => Some(texts.iter().map(|text| text.as_bytes().to_vec().into()).collect()),
                _ => None,
            }),
        ),
        What::Scores => write_lists::<FloatType>(
            group,
            values.map(|value| match value {
                Value::Floats(scores) => Some(scores.to_vec()),
                _ => None,
            }),
        ),
    }
}

/// Writes a column of lists that may be missing; their items are not.
fn write_lists<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    lists: impl Iterator<Item = Option<Vec<T::T>>>,
) -> Written {
    let mut column = next(group)?;
    let (mut definition, mut repetition, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for list in lists {
        // 0: no list, 1: an empty one, 3: an item.
        let items = list.as_ref().map_or(0, Vec::len);
        definition.extend(match &list {
            None => vec![0],
            Some(list) if list.is_empty() => vec![1],
            Some(list) => vec![3; list.len()],
        });
        repetition.push(0);
        repetition.extend(std::iter::repeat_n(1, items.saturating_sub(1)));
        values.extend(list.into_iter().flatten());
    }
    column.typed::<T>().write_batch(&values, Some(&definition), Some(&repetition))?;
    column.close()
}
