//! Rows: their texts, and for other outputs than Parquet all their columns.

use std::collections::VecDeque;
use std::path::Path;

use ::parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::FileReader;
use ::parquet::record::Row as Record;
use ::parquet::record::reader::{ReaderIter, TreeBuilder};
use ::parquet::schema::types::ColumnDescriptor;
use firebrand_pipeline::{Error, Result};
use firebrand_tables::json::number;

use super::{BATCH_ROWS, ParquetFile};
use crate::files::rows::{Cell, Kept, NO_TEXT, Row, Texts, second, text};
use crate::files::source::TextColumns;
use crate::files::survey::MOST_ROW_BYTES;

/// The rows of a Parquet file.
pub(in crate::files) struct ParquetRows {
    file: ParquetFile,
    text: TextColumn,
    pair: Option<TextColumn>,
    /// All columns, where the output does not copy them itself.
    records: Option<Records>,
    row: u64,
}

impl ParquetRows {
    /// Opens a file at its first row.
    ///
    /// # Errors
    /// When it cannot be read, or a text column holds no texts.
    pub(in crate::files) fn open(path: &Path, columns: TextColumns, with_records: bool) -> Result<Self> {
        let file = ParquetFile::open(path)?;
        Ok(Self {
            text: TextColumn::new(&file, columns.text)?,
            pair: columns.pair.map(|pair| TextColumn::new(&file, pair)).transpose()?,
            records: with_records.then(Records::default),
            row: 0,
            file,
        })
    }

    pub(in crate::files) fn next(&mut self) -> Result<Option<Row>> {
        let Self { file, text, pair, records, row } = self;
        if *row >= file.rows() {
            return Ok(None);
        }
        *row += 1;
        let first = text.next(file)?;
        let second_text = pair.as_mut().map(|pair| pair.next(file)).transpose()?;
        let mut bytes = [Some(&first), second_text.as_ref()].into_iter().flatten().flatten().map(String::len).sum();
        let kept = match records {
            None => Kept::Elsewhere,
            Some(records) => {
                let cells = records.next(file)?;
                bytes += cells.iter().map(|cell| cell.to_field().len()).sum::<usize>();
                Kept::Cells(cells)
            }
        };
        let texts = match (first, second_text) {
            (Err(why), _) => Err(why),
            (_, Some(Err(why))) => Err(second(why)),
            (Ok(text), pair) => Ok(Texts { text, pair: pair.and_then(Result::ok) }),
        };
        Ok(Some(Row { texts, kept, bytes }))
    }

    pub(in crate::files) fn skip(&mut self, rows: u64) -> Result<()> {
        self.row += rows;
        let place = self.file.locate(self.row);
        self.text.seek(&self.file, place)?;
        if let Some(pair) = &mut self.pair {
            pair.seek(&self.file, place)?;
        }
        if let Some(records) = &mut self.records {
            records.seek(&self.file, place)?;
        }
        Ok(())
    }
}

/// A column of texts, numbers or booleans, read as texts.
struct TextColumn {
    /// Its place among the leaves of the schema.
    leaf: usize,
    /// The row group that is read next.
    group: usize,
    reader: Option<ColumnReader>,
    decoded: VecDeque<Result<String, String>>,
}

impl TextColumn {
    fn new(file: &ParquetFile, column: usize) -> Result<Self> {
        let schema = file.schema();
        let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == column);
        let plain = leaf.filter(|leaf| is_plain(&schema.column(*leaf)));
        match plain {
            Some(leaf) => Ok(Self { leaf, group: 0, reader: None, decoded: VecDeque::new() }),
            None => {
                let names = file.names();
                let name = names.get(column).map_or("", String::as_str);
                Err(Error::data(format!("{}: column `{name}` does not hold texts, numbers or booleans", file.shown))
                    .hint("name another one: --text-column NAME, --pair-column NAME"))
            }
        }
    }

    fn seek(&mut self, file: &ParquetFile, (group, before): (usize, u64)) -> Result<()> {
        self.decoded.clear();
        (self.group, self.reader) = (group, None);
        if group < file.groups() && before > 0 {
            self.open(file)?;
            if let Some(reader) = &mut self.reader {
                file.decode(|| skip(reader, before))?;
            }
        }
        Ok(())
    }

    fn open(&mut self, file: &ParquetFile) -> Result<()> {
        self.reader = Some(file.decode(|| file.reader.get_row_group(self.group)?.get_column_reader(self.leaf))?);
        self.group += 1;
        Ok(())
    }

    fn next(&mut self, file: &ParquetFile) -> Result<Result<String, String>> {
        loop {
            if let Some(text) = self.decoded.pop_front() {
                return Ok(text);
            }
            if let Some(reader) = &mut self.reader {
                self.decoded = file.decode(|| decode(reader, &file.schema().column(self.leaf)))?;
            }
            if self.decoded.is_empty() {
                if self.group >= file.groups() {
                    return Err(Error::data(format!("{} has fewer rows than its footer says", file.shown)));
                }
                self.open(file)?;
            }
        }
    }
}

/// Whether a column holds one text, number or boolean per row.
fn is_plain(column: &ColumnDescriptor) -> bool {
    let top_level = column.path().parts().len() == 1 && column.max_rep_level() == 0;
    let logical = column.logical_type_ref();
    let plain = match column.physical_type() {
        PhysicalType::BOOLEAN | PhysicalType::FLOAT | PhysicalType::DOUBLE => true,
        PhysicalType::INT32 | PhysicalType::INT64 => {
            matches!(logical, None | Some(LogicalType::Integer(_)))
                && !matches!(
                    column.converted_type(),
                    ConvertedType::DECIMAL
                        | ConvertedType::DATE
                        | ConvertedType::TIME_MILLIS
                        | ConvertedType::TIME_MICROS
                        | ConvertedType::TIMESTAMP_MILLIS
                        | ConvertedType::TIMESTAMP_MICROS
                )
        }
        PhysicalType::BYTE_ARRAY => {
            matches!(logical, None | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json))
                && column.converted_type() != ConvertedType::DECIMAL
        }
        PhysicalType::INT96 | PhysicalType::FIXED_LEN_BYTE_ARRAY => false,
    };
    top_level && plain
}

/// Moves a column on by a number of rows.
pub(super) fn skip(reader: &mut ColumnReader, rows: u64) -> Result<(), ParquetError> {
    let rows = usize::try_from(rows).map_err(|error| ParquetError::General(error.to_string()))?;
    let skipped = match reader {
        ColumnReader::BoolColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::Int32ColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::Int64ColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::Int96ColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::FloatColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::DoubleColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => reader.skip_records(rows),
    }?;
    if skipped == rows { Ok(()) } else { Err(ParquetError::General(format!("{skipped} of {rows} rows are there"))) }
}

/// The next values as texts; none at the end of the row group.
fn decode(
    reader: &mut ColumnReader,
    column: &ColumnDescriptor,
) -> Result<VecDeque<Result<String, String>>, ParquetError> {
    let unsigned = matches!(column.logical_type_ref(), Some(LogicalType::Integer(int)) if !int.is_signed)
        || matches!(
            column.converted_type(),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
    let levels = column.max_def_level();
    let own = |text: String| Ok(text);
    match reader {
        ColumnReader::BoolColumnReader(reader) => values(reader, levels, |value| own(value.to_string())),
        ColumnReader::Int32ColumnReader(reader) if unsigned => {
            values(reader, levels, |value| own(value.cast_unsigned().to_string()))
        }
        ColumnReader::Int32ColumnReader(reader) => values(reader, levels, |value| own(value.to_string())),
        ColumnReader::Int64ColumnReader(reader) if unsigned => {
            values(reader, levels, |value| own(value.cast_unsigned().to_string()))
        }
        ColumnReader::Int64ColumnReader(reader) => values(reader, levels, |value| own(value.to_string())),
        ColumnReader::FloatColumnReader(reader) => values(reader, levels, |value| float(f64::from(*value))),
        ColumnReader::DoubleColumnReader(reader) => values(reader, levels, |value| float(*value)),
        ColumnReader::ByteArrayColumnReader(reader) => {
            values(reader, levels, |value: &ByteArray| text(value.data(), MOST_ROW_BYTES))
        }
        ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
            Err(ParquetError::General("this column holds no texts".to_owned()))
        }
    }
}

fn float(value: f64) -> Result<String, String> {
    if value.is_nan() { Err(NO_TEXT.to_owned()) } else { Ok(number(value)) }
}

fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    levels: i16,
    text: impl Fn(&T::T) -> Result<String, String>,
) -> Result<VecDeque<Result<String, String>>, ParquetError> {
    let (mut present, mut found) = (Vec::new(), Vec::new());
    let (rows, ..) = reader.read_records(BATCH_ROWS, (levels > 0).then_some(&mut present), None, &mut found)?;
    let mut found = found.iter();
    let mut value = |is_present: bool| {
        let value = if is_present { found.next() } else { None };
        value.map_or_else(|| Err(NO_TEXT.to_owned()), &text)
    };
    Ok((0..rows).map(|row| value(levels == 0 || present.get(row) == Some(&levels))).collect())
}

/// All columns of the rows.
#[derive(Default)]
struct Records {
    /// The row group that is read next.
    group: usize,
    rows: Option<ReaderIter>,
}

impl Records {
    fn open(&mut self, file: &ParquetFile) -> Result<()> {
        let descriptor = file.reader.metadata().file_metadata().schema_descr_ptr();
        self.rows = Some(file.decode(|| {
            let group = file.reader.get_row_group(self.group)?;
            TreeBuilder::new().with_batch_size(BATCH_ROWS).as_iter(descriptor, &*group)
        })?);
        self.group += 1;
        Ok(())
    }

    fn seek(&mut self, file: &ParquetFile, (group, before): (usize, u64)) -> Result<()> {
        (self.group, self.rows) = (group, None);
        if before > 0 {
            self.open(file)?;
            (0..before).try_for_each(|_| self.record(file).map(drop))?;
        }
        Ok(())
    }

    fn record(&mut self, file: &ParquetFile) -> Result<Record> {
        loop {
            let next = self.rows.as_mut().map(|rows| file.decode(|| rows.next().transpose())).transpose()?.flatten();
            match next {
                Some(record) => return Ok(record),
                None if self.group >= file.groups() => {
                    return Err(Error::data(format!("{} has fewer rows than its footer says", file.shown)));
                }
                None => self.open(file)?,
            }
        }
    }

    fn next(&mut self, file: &ParquetFile) -> Result<Vec<Cell>> {
        let record = self.record(file)?;
        Ok(record.get_column_iter().map(|(_, field)| Cell::value(field.to_json_value())).collect())
    }
}
