//! Parquet: read column by column, written in row groups.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, ListArray, PrimitiveArray, Utf8ViewArray};
use arrow::bitmap::Bitmap;
use arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use arrow::offset::OffsetsBuffer;
use arrow::record_batch::RecordBatchT;
use polars_buffer::Buffer;
use polars_parquet::read::{
    BasicDecompressor, FileMetadata, PageReader, column_iter_to_arrays, infer_schema, read_metadata,
};
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, KeyValue, StatisticsOptions, Version, WriteOptions, get_dtype_encoding,
    row_group_iter, schema_to_metadata_key,
};

use super::{Cause, ColumnInfo, Damage, Opened, Values, decode};

/// Rows per row group. Fixed, so that the bytes depend only on the rows.
const ROW_GROUP: usize = 1 << 16;

/// A Parquet file whose metadata has been read.
#[derive(Debug)]
pub(super) struct Source {
    bytes: Buffer<u8>,
    metadata: FileMetadata,
    fields: Vec<Field>,
}

impl Source {
    pub(super) fn open(bytes: Vec<u8>) -> Result<(Self, Opened), Cause> {
        let bytes = Buffer::from(bytes);
        let metadata = read_metadata(&mut Cursor::new(&bytes[..]))?;
        let schema = infer_schema(&metadata)?;
        // In Parquet a dictionary is only an encoding of the values.
        let fields: Vec<Field> = schema.iter_values().map(|field| without_dictionary(field.clone())).collect();
        let entries = metadata.key_value_metadata.iter().flatten();
        let opened = Opened {
            columns: fields.iter().map(ColumnInfo::of).collect(),
            rows: metadata.num_rows,
            metadata: entries.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?))).collect(),
        };
        Ok((Self { bytes, metadata, fields }, opened))
    }

    pub(super) fn values(&self, column: usize) -> Result<Values, Cause> {
        let field = self.fields.get(column).ok_or("there is no such column")?;
        let mut chunks: Vec<Box<dyn Array>> = Vec::new();
        for group in &self.metadata.row_groups {
            let parts = group.columns_under_root_iter(&field.name).ok_or("a row group lacks a column")?;
            let mut pages = Vec::new();
            let mut types = Vec::new();
            for part in parts {
                let range = part.byte_range();
                let (start, end) = (usize::try_from(range.start)?, usize::try_from(range.end)?);
                if start > end || end > self.bytes.len() {
                    return Err("a column is outside the file".into());
                }
                let content = Cursor::new(self.bytes.clone().sliced(start..end));
                pages.push(BasicDecompressor::new(PageReader::new(content, part, vec![], usize::MAX), vec![]));
                types.push(&part.descriptor().descriptor.primitive_type);
            }
            chunks.extend(column_iter_to_arrays(pages, types, field.clone(), None)?.0);
        }
        Values::concatenated(field.dtype(), chunks.iter().map(AsRef::as_ref))
    }
}

fn without_dictionary(mut field: Field) -> Field {
    field.dtype = match field.dtype {
        ArrowDataType::Dictionary(_, values, _) => *values,
        ArrowDataType::List(item) => ArrowDataType::LargeList(Box::new(without_dictionary(*item))),
        ArrowDataType::LargeList(item) => ArrowDataType::LargeList(Box::new(without_dictionary(*item))),
        ArrowDataType::FixedSizeList(item, size) => {
            ArrowDataType::FixedSizeList(Box::new(without_dictionary(*item)), size)
        }
        other => other,
    };
    field
}

/// Encodes columns of equal length as a Parquet file; equal columns always give equal bytes.
///
/// # Errors
/// When the columns have different lengths.
pub fn write(columns: Vec<(&str, Values)>, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Damage> {
    let arrays = columns.into_iter().map(|(name, values)| Ok((name, decode(|| array(values))?)));
    write_arrays(arrays.collect::<Result<_, _>>()?, metadata)
}

/// As [`write`], but for Arrow arrays, whose integers have a width.
pub(crate) fn write_arrays(
    columns: Vec<(&str, Box<dyn Array>)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, Damage> {
    let rows = columns.first().map_or(0, |(_, array)| array.len());
    if let Some((name, _)) = columns.iter().find(|(_, array)| array.len() != rows) {
        return Err(Damage(format!("column `{name}` does not have {rows} rows")));
    }
    let schema: ArrowSchema = columns
        .iter()
        .map(|(name, array)| Field::new((*name).into(), array.dtype().clone(), true))
        .map(|field| (field.name.clone(), field))
        .collect();
    let options = WriteOptions {
        statistics: StatisticsOptions::empty(),
        version: Version::V1,
        compression: CompressionOptions::Zstd(None),
        data_page_size: None,
    };
    decode(|| {
        let encodings: Vec<Vec<Encoding>> =
            schema.iter_values().map(|field| get_dtype_encoding(field.dtype())).collect();
        let encodings = Buffer::from(encodings);
        let mut writer = FileWriter::try_new(Vec::new(), schema.clone(), options)?;
        for start in (0..rows).step_by(ROW_GROUP) {
            let length = ROW_GROUP.min(rows - start);
            let part = columns.iter().map(|(_, array)| array.sliced(start, length)).collect();
            let batch = RecordBatchT::try_new(length, Arc::new(schema.clone()), part)?;
            let types = writer.parquet_schema().fields().to_vec();
            writer.write(length as u64, row_group_iter(batch, encodings.clone(), types, options))?;
        }
        let mut entries = vec![schema_to_metadata_key(&schema)];
        let more = metadata.iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) });
        entries.extend(more);
        writer.end(Some(entries))?;
        Ok(writer.into_inner())
    })
}

fn array(values: Values) -> Result<Box<dyn Array>, Cause> {
    Ok(match values {
        Values::Nulls(length) => Utf8ViewArray::from_slice(vec![None::<&str>; length]).boxed(),
        Values::Booleans(values) => BooleanArray::from(values).boxed(),
        Values::Integers(values) => PrimitiveArray::from(values).boxed(),
        Values::Unsigned(values) => PrimitiveArray::from(values).boxed(),
        Values::Floats(values) => PrimitiveArray::from(values).boxed(),
        Values::Texts(values) => Utf8ViewArray::from_slice(values).boxed(),
        Values::Lists { ends, present, items } => list(ends, Some(&present), array(*items)?)?,
    })
}

/// An array of lists, given the end of each list in `items`. `present` marks the rows that have a list; `None`: all have.
pub(crate) fn list(
    ends: impl IntoIterator<Item = usize>,
    present: Option<&[bool]>,
    items: Box<dyn Array>,
) -> Result<Box<dyn Array>, Cause> {
    let ends = ends.into_iter().map(i64::try_from);
    let offsets = std::iter::once(Ok(0)).chain(ends).collect::<Result<Vec<i64>, _>>()?;
    let dtype = ArrowDataType::LargeList(Box::new(Field::new("item".into(), items.dtype().clone(), true)));
    let missing = present.filter(|present| present.contains(&false));
    let validity = missing.map(|present| present.iter().copied().collect::<Bitmap>());
    Ok(ListArray::<i64>::try_new(dtype, OffsetsBuffer::try_from(offsets)?, items, validity)?.boxed())
}
