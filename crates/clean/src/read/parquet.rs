//! Parquet, through polars.

use std::io::Cursor;

use firebrand_dataset::calmly;
use firebrand_pipeline::{Error, Result};
use polars::prelude::{
    ArrowSchema, ChunkExplode, DataType, ParallelStrategy, ParquetReader, PolarsResult, SerReader, Series,
};

use super::{Table, number, parted};

const AGAIN: &str = "fetch it again: `cargo xtask stage fetch --force`";

/// A Parquet file, of which only the wanted columns are decoded.
#[derive(Debug)]
pub(crate) struct Parquet {
    name: String,
    bytes: Vec<u8>,
    names: Vec<String>,
    /// The columns' types, where polars has one for them.
    types: Vec<Option<DataType>>,
    rows: usize,
}

impl Parquet {
    /// Reads the file's own description of itself.
    pub(crate) fn new(name: &str, bytes: Vec<u8>) -> Result<Self> {
        if !bytes.starts_with(b"PAR1") {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).into_owned();
            return Err(Error::data(format!("{name} is not a Parquet file: it starts with {start:?}")).hint(AGAIN));
        }
        if bytes.len() < 12 || !bytes.ends_with(b"PAR1") {
            let problem = format!("{name} is cut off after {} bytes: a Parquet file ends with `PAR1`", bytes.len());
            return Err(Error::data(problem).hint(AGAIN));
        }
        let (schema, rows): (ArrowSchema, usize) = decode(name, || {
            let mut reader = ParquetReader::new(Cursor::new(bytes.as_slice()));
            Ok((reader.schema()?.as_ref().clone(), reader.num_rows()?))
        })?;
        if rows == 0 {
            return Err(Error::data(format!("{name} has no rows in it")));
        }
        let names = schema.iter_names().map(ToString::to_string).collect();
        let types = schema.iter_values().map(|field| calmly(|| DataType::from_arrow_field(field)).ok()).collect();
        Ok(Self { name: name.to_owned(), bytes, names, types, rows })
    }
}

impl Table for Parquet {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn column(&self, column: usize) -> Result<Vec<Option<String>>> {
        let Some(name) = self.names.get(column) else { return Ok(vec![None; self.rows]) };
        let found = self.types.get(column).and_then(Option::as_ref);
        let Some(found) = found.filter(|found| has_texts(found)) else {
            return Err(wrong_type(&self.name, name, found));
        };
        let values = self.values(name)?;
        decode(&self.name, || texts(&values, found))
    }

    fn lists(&self, column: usize, separator: Option<&str>) -> Result<Vec<Vec<String>>> {
        let (name, found) = (self.names.get(column), self.types.get(column).and_then(Option::as_ref));
        let (Some(name), Some(DataType::List(inner))) = (name, found) else {
            return Ok(self.column(column)?.into_iter().map(|value| parted(value, separator)).collect());
        };
        if !has_texts(inner) {
            return Err(wrong_type(&self.name, name, found));
        }
        let values = self.values(name)?;
        decode(&self.name, || {
            let lists = values.list()?.rechunk();
            let (values, offsets) = (texts(&lists.get_inner(), inner)?, lists.offsets()?);
            let ends = offsets.iter().map(|&offset| usize::try_from(offset).unwrap_or(usize::MAX));
            let ends: Vec<usize> = ends.collect();
            // What a null may leave behind in the values is not its own.
            let there: Vec<bool> = lists.is_not_null().iter().map(|there| there == Some(true)).collect();
            let list = |(ends, there): (&[usize], bool)| {
                let list = values.get(ends[0]..ends[1]).filter(|_| there).unwrap_or_default();
                list.iter().flatten().cloned().collect()
            };
            Ok(ends.windows(2).zip(there).map(list).collect())
        })
    }

    fn place(&self, row: usize) -> u64 {
        row as u64 + 1
    }
}

impl Parquet {
    fn values(&self, name: &str) -> Result<Series> {
        // One thread, so that `calmly` sees whatever happens.
        decode(&self.name, || {
            ParquetReader::new(Cursor::new(self.bytes.as_slice()))
                .with_columns(Some(vec![name.to_owned()]))
                .read_parallel(ParallelStrategy::None)
                .finish()?
                .column(name)
                .map(|column| column.as_materialized_series().clone())
        })
    }
}

/// Values of a type that [`has_texts`].
fn texts(values: &Series, found: &DataType) -> PolarsResult<Vec<Option<String>>> {
    Ok(match found {
        DataType::Float32 | DataType::Float64 => {
            let floats = values.cast(&DataType::Float64)?;
            floats.f64()?.iter().map(|value| value.filter(|float| !float.is_nan()).map(number)).collect()
        }
        DataType::Boolean => values.bool()?.iter().map(|value| value.map(|flag| flag.to_string())).collect(),
        DataType::Null => vec![None; values.len()],
        _ => values.cast(&DataType::String)?.str()?.iter().map(|value| value.map(str::to_owned)).collect(),
    })
}

/// Whether a column's values can be texts.
fn has_texts(found: &DataType) -> bool {
    let number = found.is_float() || found.is_integer() && !is_narrow(found);
    let text = found.is_string() || found.is_categorical() || found.is_enum();
    number || text || matches!(found, DataType::Null | DataType::Boolean)
}

/// Integers that polars is not built to hold: it compiles a good deal slower with them, and few files have any.
fn is_narrow(found: &DataType) -> bool {
    matches!(found, DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16)
}

fn wrong_type(file: &str, column: &str, found: Option<&DataType>) -> Error {
    let kind = found.map_or_else(|| "of a type that is not known here".to_owned(), ToString::to_string);
    if found.is_some_and(is_narrow) {
        let problem = format!("{file}: column `{column}` is {kind}; integers of 8 or 16 bits cannot be read");
        return Error::data(problem).hint("write the column as int32 or int64");
    }
    Error::data(format!("{file}: column `{column}` is {kind}, not text, numbers or booleans"))
        .hint("a row has one text and one label; name other columns, or convert this one")
        .hint("where rows have lists of labels: `multi_label = true` below [clean]")
}

/// Runs a step of the decoder; whatever goes wrong in it means that the file is damaged.
fn decode<T>(name: &str, step: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let cause: Box<dyn std::error::Error> = match calmly(step) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => Box::new(error),
        Err(message) => message.into(),
    };
    Err(Error::data(format!("{name} is damaged")).caused_by(cause.as_ref()).hint(AGAIN))
}

#[cfg(test)]
mod tests {
    use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, ParquetWriter, Series};

    use super::*;

    fn parquet(columns: Vec<Column>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let height = columns[0].len();
        ParquetWriter::new(&mut bytes).finish(&mut DataFrame::new(height, columns).unwrap()).unwrap();
        bytes
    }

    fn sample() -> Vec<u8> {
        parquet(vec![
            Series::new("text".into(), [Some("a"), None, Some("c")]).into_column(),
            Series::new("label".into(), [0i64, 1, 1]).into_column(),
            Series::new("flag".into(), [true, false, true]).into_column(),
            Series::new("float".into(), [Some(1.0), None, Some(0.5)]).into_column(),
            Series::new(
                "list".into(),
                [Series::new("".into(), [1i64]), Series::new("".into(), [2i64]), Series::new("".into(), [3i64])],
            )
            .into_column(),
        ])
    }

    #[test]
    fn columns_of_plain_types_are_texts() {
        let table = Parquet::new("a.parquet", sample()).unwrap();
        assert_eq!((table.rows, table.place(0)), (3, 1));
        assert_eq!(table.names(), ["text", "label", "flag", "float", "list"]);
        let some = |values: [&str; 3]| values.map(|value| (!value.is_empty()).then(|| value.to_owned()));
        assert_eq!(table.column(0).unwrap(), some(["a", "", "c"]));
        assert_eq!(table.column(1).unwrap(), some(["0", "1", "1"]));
        assert_eq!(table.column(2).unwrap(), some(["true", "false", "true"]));
        assert_eq!(table.column(3).unwrap(), some(["1", "", "0.5"]));
        let error = table.column(4).unwrap_err();
        assert!(error.message().starts_with("a.parquet: column `list` is list"), "{}", error.message());
    }

    #[test]
    fn narrow_integers_are_refused_with_a_way_out() {
        let bytes = include_bytes!("../../../dataset/tests/data/int8.parquet");
        let table = Parquet::new("a.parquet", bytes.to_vec()).unwrap();
        assert_eq!(table.column(0).unwrap().len(), 2);
        let error = table.column(1).unwrap_err();
        assert_eq!(error.message(), "a.parquet: column `label` is i8; integers of 8 or 16 bits cannot be read");
        assert!(error.render().ends_with("hint: write the column as int32 or int64"));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = sample();
        let message = |bytes: &[u8]| {
            let table = Parquet::new("a.parquet", bytes.to_vec());
            table.and_then(|table| table.column(0)).unwrap_err().message().to_owned()
        };
        assert_eq!(message(b"text,label\na,b\n"), "a.parquet is not a Parquet file: it starts with \"text,label\\na\"");
        let cut = &whole[..whole.len() - 9];
        assert!(message(cut).starts_with("a.parquet is cut off after"), "{}", message(cut));
        let mut footer = whole.clone();
        let middle = footer.len() - 40;
        footer[middle..middle + 16].fill(0xff);
        assert_eq!(message(&footer), "a.parquet is damaged");
    }
}
