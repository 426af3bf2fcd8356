//! Arrow's two formats: the file format (Feather version 2), and the streaming format, which `datasets` uses in its cache
//! and in `save_to_disk`.

use std::io::{Cursor, Read, Seek};

use ::arrow::array::Array;
use ::arrow::datatypes::{Field, Metadata};
use ::arrow::io::ipc::read::{FileReader, StreamReader, StreamState, read_file_metadata, read_stream_metadata};

use super::{Cause, ColumnInfo, Opened, Values};

const FILE: &[u8] = b"ARROW1";
const FEATHER_1: &[u8] = b"FEA1";

/// An Arrow file whose schema has been read.
#[derive(Debug)]
pub(super) struct Source {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    is_file: bool,
}

impl Source {
    pub(super) fn open(bytes: Vec<u8>) -> Result<(Self, Opened), Cause> {
        if bytes.starts_with(FEATHER_1) {
            return Err(
                "it is Feather version 1, which pyarrow no longer writes: save the table in a current format".into()
            );
        }
        let is_file = bytes.starts_with(FILE);
        let mut reader = Cursor::new(bytes.as_slice());
        let (fields, metadata): (Vec<Field>, Option<Metadata>) = if is_file {
            let metadata = read_file_metadata(&mut reader)?;
            let entries = metadata.custom_schema_metadata.as_deref().cloned();
            (metadata.schema.iter_values().cloned().collect(), entries)
        } else {
            let metadata = read_stream_metadata(&mut reader)?;
            (metadata.schema.iter_values().cloned().collect(), metadata.custom_schema_metadata)
        };
        let entries = metadata.unwrap_or_default();
        let source = Self { bytes, fields, is_file };
        let opened = Opened {
            columns: source.fields.iter().map(ColumnInfo::of).collect(),
            rows: source.chunks(0)?.iter().map(|chunk| chunk.len()).sum(),
            metadata: entries.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        };
        Ok((source, opened))
    }

    pub(super) fn values(&self, column: usize) -> Result<Values, Cause> {
        let field = self.fields.get(column).ok_or("there is no such column")?;
        Values::concatenated(field.dtype(), self.chunks(column)?.iter().map(AsRef::as_ref))
    }

    /// The column's arrays, one per record batch; empty if the file has no columns.
    fn chunks(&self, column: usize) -> Result<Vec<Box<dyn Array>>, Cause> {
        if column >= self.fields.len() {
            return Ok(Vec::new());
        }
        let mut reader = Cursor::new(self.bytes.as_slice());
        let projection = Some(vec![column]);
        if self.is_file {
            let metadata = read_file_metadata(&mut reader)?;
            let batches = FileReader::new(reader, metadata, projection, None);
            return batches.map(|batch| only(batch?.into_arrays())).collect();
        }
        let metadata = read_stream_metadata(&mut reader)?;
        stream(StreamReader::new(reader, metadata, projection))
    }
}

/// All record batches of a stream. Arrow allows a stream without an end-of-stream marker, but every common writer adds one, and
/// without it a truncated stream could not be detected.
fn stream<R: Read + Seek>(batches: StreamReader<R>) -> Result<Vec<Box<dyn Array>>, Cause> {
    let mut chunks = Vec::new();
    for state in batches {
        match state? {
            StreamState::Some(batch) => chunks.push(only(batch.into_arrays())?),
            StreamState::Waiting => return Err("it is cut off: the end-of-stream marker is missing".into()),
        }
    }
    Ok(chunks)
}

fn only(arrays: Vec<Box<dyn Array>>) -> Result<Box<dyn Array>, Cause> {
    arrays.into_iter().next().ok_or_else(|| "a batch lacks a column".into())
}
