//! Writing a model: in one file, or, above the limit of protocol buffers, with its large constants in another.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::graph::Initializer;
use crate::proto::{
    EXTERNAL, GRAPH_FIELD, GraphProto, INITIALIZER_FIELD, ModelProto, StringStringEntryProto, TensorProto,
};

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Constants below this size stay in the model's own file.
const SMALL: usize = 1024;

/// Where constants begin in a file of their own: at pages, so that engines can map them into memory.
const PAGE: u64 = 4096;

/// The field of [`TensorProto`] that holds its values.
const RAW_DATA_FIELD: u32 = 9;

/// Writes a model whose `graph` has no constants yet, atomically. Constants go to `PATH_data` if the file would otherwise be larger
/// than `limit`.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write(
    path: &Path,
    model: &ModelProto,
    graph: &GraphProto,
    constants: &[Initializer],
    limit: u64,
) -> Result<Vec<WrittenFile>> {
    let data_path = with_suffix(path, "_data");
    let location = data_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut tensors: Vec<Tensor<'_>> = constants.iter().map(|constant| Tensor::new(constant, None)).collect();
    let whole = size(model, graph, &tensors);
    let is_external = whole > limit;
    if is_external {
        let mut end = 0u64;
        for tensor in &mut tensors {
            let bytes = tensor.constant.data.size();
            if bytes >= SMALL {
                let offset = end.next_multiple_of(PAGE);
                *tensor = Tensor::new(tensor.constant, Some((&location, offset)));
                end = offset + bytes as u64;
            }
        }
    }
    let failed = |error: io::Error| Error::io("write", path, &error);
    let (temporary, data_temporary) = (with_suffix(path, ".tmp"), with_suffix(&data_path, ".tmp"));
    let written = write_to(&temporary, |file| write_model(file, model, graph, &tensors))
        .and_then(|()| if is_external { write_to(&data_temporary, |file| write_data(file, &tensors)) } else { Ok(()) });
    let finish = || {
        if is_external {
            fs::rename(&data_temporary, &data_path)?;
        }
        fs::rename(&temporary, path)?;
        if !is_external && data_path.exists() {
            // Of an earlier, larger model.
            fs::remove_file(&data_path)?;
        }
        Ok(())
    };
    if let Err(error) = written.and_then(|()| finish()) {
        for leftover in [&temporary, &data_temporary] {
            _ = fs::remove_file(leftover);
        }
        return Err(failed(error));
    }
    let files = if is_external { vec![path.to_owned(), data_path] } else { vec![path.to_owned()] };
    let measured = |path: PathBuf| {
        let bytes = fs::metadata(&path).map_err(|error| Error::io("read", &path, &error))?.len();
        Ok(WrittenFile { path, bytes })
    };
    files.into_iter().map(measured).collect()
}

/// A path whose last name has a suffix.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A constant and its message without the values.
struct Tensor<'a> {
    constant: &'a Initializer,
    header: TensorProto,
    /// Where the values begin in a file of their own.
    offset: Option<u64>,
}

impl<'a> Tensor<'a> {
    /// `external` is the name of the file with the values, and their offset in it.
    fn new(constant: &'a Initializer, external: Option<(&str, u64)>) -> Self {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
        let header = TensorProto {
            dims: constant.shape.iter().map(|&size| size as i64).collect(),
            data_type: constant.data.kind() as i32,
            name: constant.name.clone(),
            raw_data: None,
            external_data: external.map_or_else(Vec::new, |(location, offset)| {
                vec![
                    entry("location", location.to_owned()),
                    entry("offset", offset.to_string()),
                    entry("length", constant.data.size().to_string()),
                ]
            }),
            data_location: external.map(|_| EXTERNAL),
        };
        Self { constant, header, offset: external.map(|(_, offset)| offset) }
    }

    /// Size of the message.
    fn size(&self) -> u64 {
        let values = match self.offset {
            None => field_size(RAW_DATA_FIELD, self.constant.data.size() as u64),
            Some(_) => 0,
        };
        self.header.encoded_len() as u64 + values
    }
}

/// Size of a field of this many bytes, with its key and length.
fn field_size(field: u32, bytes: u64) -> u64 {
    key_len(field) as u64 + encoded_len_varint(bytes) as u64 + bytes
}

/// Size of the graph's message with its constants.
fn graph_size(graph: &GraphProto, tensors: &[Tensor<'_>]) -> u64 {
    let constants = tensors.iter().map(|tensor| field_size(INITIALIZER_FIELD, tensor.size()));
    graph.encoded_len() as u64 + constants.sum::<u64>()
}

/// Size of the whole message.
fn size(model: &ModelProto, graph: &GraphProto, tensors: &[Tensor<'_>]) -> u64 {
    model.encoded_len() as u64 + field_size(GRAPH_FIELD, graph_size(graph, tensors))
}

/// Writes a file and waits until it is on the disk.
fn write_to(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}

/// The key and the length of a field of this many bytes.
fn write_field(to: &mut impl Write, field: u32, bytes: u64) -> io::Result<()> {
    let mut start = Vec::new();
    encode_key(field, WireType::LengthDelimited, &mut start);
    encode_varint(bytes, &mut start);
    to.write_all(&start)
}

/// Writes the message field by field, so that the constants are never all in memory a second time: the fields of a message may
/// come in any order, and the elements of a repeated one in several places.
fn write_model(to: &mut impl Write, model: &ModelProto, graph: &GraphProto, tensors: &[Tensor<'_>]) -> io::Result<()> {
    to.write_all(&model.encode_to_vec())?;
    write_field(to, GRAPH_FIELD, graph_size(graph, tensors))?;
    to.write_all(&graph.encode_to_vec())?;
    for tensor in tensors {
        write_field(to, INITIALIZER_FIELD, tensor.size())?;
        to.write_all(&tensor.header.encode_to_vec())?;
        if tensor.offset.is_none() {
            let values = tensor.constant.data.bytes();
            write_field(to, RAW_DATA_FIELD, values.len() as u64)?;
            to.write_all(&values)?;
        }
    }
    Ok(())
}

/// Writes the values of constants that have an offset.
fn write_data(to: &mut impl Write, tensors: &[Tensor<'_>]) -> io::Result<()> {
    let mut end = 0u64;
    for tensor in tensors {
        let Some(offset) = tensor.offset else { continue };
        io::copy(&mut io::Read::take(io::repeat(0), offset - end), to)?;
        let values = tensor.constant.data.bytes();
        to.write_all(&values)?;
        end = offset + values.len() as u64;
    }
    Ok(())
}
