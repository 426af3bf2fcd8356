//! Parquet and Arrow files.

use firebrand_dataset::{ColumnInfo, ColumnType, ColumnarFile, Damage, Values};
use firebrand_pipeline::{Error, Result};
use firebrand_tables::json::number;

use super::features::class_names;
use super::{Table, parted};

const AGAIN: &str = "fetch it again: `cargo xtask stage fetch --force`";

/// A columnar file, of which only the wanted columns are decoded.
#[derive(Debug)]
pub(crate) struct Columnar {
    name: String,
    file: ColumnarFile,
    names: Vec<String>,
    /// `dataset_info.json` in the same directory, which names the classes if the file itself does not.
    dataset_info: Option<String>,
}

impl Columnar {
    /// Opens a Parquet file.
    pub(crate) fn parquet(name: &str, bytes: Vec<u8>) -> Result<Self> {
        if !bytes.starts_with(b"PAR1") {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).into_owned();
            return Err(Error::data(format!("{name} is not a Parquet file: it starts with {start:?}")).hint(AGAIN));
        }
        if bytes.len() < 12 || !bytes.ends_with(b"PAR1") {
            let problem = format!("{name} is cut off after {} bytes: a Parquet file ends with `PAR1`", bytes.len());
            return Err(Error::data(problem).hint(AGAIN));
        }
        Self::opened(name, ColumnarFile::parquet(bytes), None)
    }

    /// Opens an Arrow file or stream.
    pub(crate) fn arrow(name: &str, bytes: Vec<u8>, dataset_info: Option<String>) -> Result<Self> {
        Self::opened(name, ColumnarFile::arrow(bytes), dataset_info)
    }

    fn opened(name: &str, file: Result<ColumnarFile, Damage>, dataset_info: Option<String>) -> Result<Self> {
        let file = file.map_err(|damage| damaged(name, &damage))?;
        if file.rows() == 0 {
            return Err(Error::data(format!("{name} has no rows in it")));
        }
        let names = file.columns().iter().map(|column| column.name.clone()).collect();
        Ok(Self { name: name.to_owned(), file, names, dataset_info })
    }

    fn values(&self, column: usize) -> Result<Values> {
        self.file.values(column).map_err(|damage| damaged(&self.name, &damage))
    }

    fn info(&self, column: usize) -> Result<&ColumnInfo> {
        self.file.columns().get(column).ok_or_else(|| Error::other(format!("{} has no column {column}", self.name)))
    }
}

impl Table for Columnar {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn column(&self, column: usize) -> Result<Vec<Option<String>>> {
        let info = self.info(column)?;
        if info.is_list || info.kind == ColumnType::Other {
            return Err(wrong_type(&self.name, info));
        }
        Ok(texts(self.values(column)?))
    }

    fn lists(&self, column: usize, separator: Option<&str>) -> Result<Vec<Vec<String>>> {
        let info = self.info(column)?;
        if !info.is_list || info.kind == ColumnType::Other {
            return Ok(self.column(column)?.into_iter().map(|value| parted(value, separator)).collect());
        }
        let Values::Lists { ends, items, .. } = self.values(column)? else {
            return Err(wrong_type(&self.name, info));
        };
        let mut items = texts(*items).into_iter();
        let mut start = 0;
        let list = |end: usize| {
            let list = items.by_ref().take(end - start).flatten().collect();
            start = end;
            list
        };
        Ok(ends.into_iter().map(list).collect())
    }

    fn place(&self, row: usize) -> u64 {
        row as u64 + 1
    }

    fn class_names(&self, column: usize) -> Option<Vec<String>> {
        let info = self.info(column).ok().filter(|info| info.kind == ColumnType::Integer)?;
        let own = self.file.metadata("huggingface").and_then(|json| class_names(json, &info.name));
        own.or_else(|| class_names(self.dataset_info.as_deref()?, &info.name))
    }
}

/// Plain values as texts, none of them a list.
fn texts(values: Values) -> Vec<Option<String>> {
    fn words<T: ToString>(values: Vec<Option<T>>) -> Vec<Option<String>> {
        values.into_iter().map(|value| value.map(|value| value.to_string())).collect()
    }
    match values {
        Values::Texts(values) => values,
        Values::Integers(values) => words(values),
        Values::Unsigned(values) => words(values),
        Values::Booleans(values) => words(values),
        Values::Floats(values) => {
            values.into_iter().map(|value| value.filter(|float| !float.is_nan()).map(number)).collect()
        }
        Values::Nulls(_) | Values::Lists { .. } => vec![None; values.len()],
    }
}

fn wrong_type(file: &str, column: &ColumnInfo) -> Error {
    Error::data(format!("{file}: column `{}` is {}, not text, numbers or booleans", column.name, column.type_name))
        .hint("a row has one text and one label; name other columns, or convert this one")
        .hint("where rows have lists of labels: `multi_label = true` below [clean]")
}

fn damaged(name: &str, damage: &Damage) -> Error {
    Error::data(format!("{name} is damaged")).caused_by(damage).hint(AGAIN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use firebrand_dataset::write_parquet;

    use super::*;

    fn sample() -> Vec<u8> {
        let texts = [Some("a"), None, Some("c")].map(|text| text.map(str::to_owned));
        let items = Box::new(Values::Integers([1, 2, 3].map(Some).into()));
        let columns = vec![
            ("text", Values::Texts(texts.into())),
            ("label", Values::Integers([0, 1, 1].map(Some).into())),
            ("flag", Values::Booleans([true, false, true].map(Some).into())),
            ("float", Values::Floats(vec![Some(1.0), None, Some(0.5)])),
            ("list", Values::Lists { ends: vec![1, 2, 3], present: vec![true; 3], items }),
        ];
        write_parquet(columns, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn columns_of_plain_types_are_texts() {
        let table = Columnar::parquet("a.parquet", sample()).unwrap();
        assert_eq!((table.file.rows(), table.place(0)), (3, 1));
        assert_eq!(table.names(), ["text", "label", "flag", "float", "list"]);
        let some = |values: [&str; 3]| values.map(|value| (!value.is_empty()).then(|| value.to_owned()));
        assert_eq!(table.column(0).unwrap(), some(["a", "", "c"]));
        assert_eq!(table.column(1).unwrap(), some(["0", "1", "1"]));
        assert_eq!(table.column(2).unwrap(), some(["true", "false", "true"]));
        assert_eq!(table.column(3).unwrap(), some(["1", "", "0.5"]));
        let error = table.column(4).unwrap_err();
        assert!(error.message().starts_with("a.parquet: column `list` is list[i64]"), "{}", error.message());
        assert_eq!(table.lists(4, None).unwrap(), [["1"], ["2"], ["3"]]);
    }

    #[test]
    fn narrow_integers_are_read() {
        let bytes = include_bytes!("../../../dataset/tests/data/int8.parquet");
        let table = Columnar::parquet("a.parquet", bytes.to_vec()).unwrap();
        assert_eq!(table.column(1).unwrap(), ["1", "0"].map(|label| Some(label.to_owned())));
    }

    #[test]
    fn damage_is_an_error() {
        let whole = sample();
        let message = |bytes: &[u8]| {
            let table = Columnar::parquet("a.parquet", bytes.to_vec());
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
