//! Safetensors files, read with care and written whole.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo, TensorView};

use crate::ModelError;

/// A safetensors file in memory.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the first tensor's bytes start.
    start: usize,
    metadata: Metadata,
}

impl SafetensorsFile {
    /// Reads a file and checks its header: sizes, overlaps and ends.
    ///
    /// # Errors
    /// [`ModelError::Io`] or, for a damaged file, [`ModelError::Tensors`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let bytes = fs::read(path).map_err(ModelError::io("read", path))?;
        let (start, metadata) = {
            // Checks what `read_metadata` leaves to it: that the file is as long as its header says.
            SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, &error, bytes.len()))?;
            let (header, metadata) =
                SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, &error, bytes.len()))?;
            (header + 8, metadata)
        };
        Ok(Self { path: path.to_owned(), bytes, start, metadata })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The free-form strings of the header (`format`, …).
    pub fn strings(&self) -> HashMap<String, String> {
        self.metadata.metadata().clone().unwrap_or_default()
    }

    /// Every tensor's name and shape, by name.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.metadata.tensors().into_iter().map(|(name, info)| (name, info.shape.clone())).collect()
    }

    /// A tensor of floats as float32, in row-major order.
    ///
    /// # Errors
    /// [`ModelError::Tensors`] when there is no such tensor, it holds no floats, or one of them is not finite.
    pub fn floats(&self, name: &str) -> Result<TensorData, ModelError> {
        let problem = |problem: String| ModelError::Tensors { path: self.path.clone(), problem };
        let info = self.metadata.info(name).ok_or_else(|| problem(format!("there is no tensor `{name}`")))?;
        let bytes = self.bytes_of(info);
        let values: Vec<f32> = match info.dtype {
            Dtype::F32 => numbers(bytes, f32::from_le_bytes),
            Dtype::F16 => numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => numbers(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            other => return Err(problem(format!("tensor `{name}` holds {other:?}, where floats are needed"))),
        };
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(problem(format!("tensor `{name}` holds {} at place {place}", values[place])));
        }
        Ok(TensorData::new(values, info.shape.clone()))
    }

    /// Whether there is a tensor of this name that holds int8.
    pub(crate) fn is_int8(&self, name: &str) -> bool {
        self.metadata.info(name).is_some_and(|info| info.dtype == Dtype::I8)
    }

    /// The values and the shape of a tensor of int8.
    pub(crate) fn int8(&self, name: &str) -> Result<(Vec<i8>, Vec<usize>), ModelError> {
        let info = self.metadata.info(name).filter(|info| info.dtype == Dtype::I8).ok_or_else(|| {
            ModelError::Tensors { path: self.path.clone(), problem: format!("there is no int8 tensor `{name}`") }
        })?;
        Ok((self.bytes_of(info).iter().map(|byte| byte.cast_signed()).collect(), info.shape.clone()))
    }

    fn bytes_of(&self, info: &TensorInfo) -> &[u8] {
        let (from, to) = info.data_offsets;
        // In range: `read` checked every offset against the file's length.
        &self.bytes[self.start + from..self.start + to]
    }
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
}

fn damaged(path: &Path, error: &safetensors::SafeTensorError, length: usize) -> ModelError {
    ModelError::Tensors {
        path: path.to_owned(),
        problem: format!("not a whole safetensors file ({error}; the file has {length} bytes): fetch it again"),
    }
}

/// Writes named tensors of float32 or int8, into a temporary file that is flushed to the disk and then
/// takes the place of `path`.
///
/// # Errors
/// [`ModelError::Io`] when the system refuses; [`ModelError::Tensors`] when a tensor holds anything else.
pub fn write_safetensors(
    path: &Path,
    tensors: &[(String, TensorData)],
    strings: HashMap<String, String>,
) -> Result<(), ModelError> {
    let problem = |problem: String| ModelError::Tensors { path: path.to_owned(), problem };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, data) in tensors {
        let dtype = match data.dtype() {
            DType::F32 => Dtype::F32,
            DType::I8 => Dtype::I8,
            other => return Err(problem(format!("tensor `{name}` holds {other:?}, neither float32 nor int8"))),
        };
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
        views.push((name, view.map_err(|error| problem(error.to_string()))?));
    }
    let temporary = path.with_extension("safetensors.tmp");
    // The library replaces this file by one that only its owner may read, which a server of another user could not load.
    let permissions = fs::File::create(&temporary)
        .and_then(|file| file.metadata())
        .map_err(ModelError::io("write", path))?
        .permissions();
    safetensors::serialize_to_file(views, Some(strings), &temporary).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => ModelError::io("write", path)(source),
        other => problem(other.to_string()),
    })?;
    fs::File::open(&temporary).and_then(|file| file.sync_all()).map_err(ModelError::io("write", path))?;
    fs::set_permissions(&temporary, permissions).map_err(ModelError::io("write", path))?;
    fs::rename(&temporary, path).map_err(ModelError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(bytes: &[u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        fs::write(&path, bytes).unwrap();
        SafetensorsFile::read(&path).unwrap_err().to_string()
    }

    #[test]
    fn damaged_and_hostile_files_are_refused() {
        for bytes in
            [&b""[..], b"\x08\0\0", &(1u64 << 60).to_le_bytes(), b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}rest"]
        {
            assert!(refuse(bytes).contains("not a whole safetensors file"));
        }
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
        let mut overlap = (header.len() as u64).to_le_bytes().to_vec();
        overlap.extend(header);
        overlap.extend([0; 12]);
        assert!(refuse(&overlap).contains("not a whole safetensors file"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let tensors = vec![("a".to_owned(), TensorData::new(vec![1.0f32, -2.5], [2, 1]))];
        write_safetensors(&path, &tensors, HashMap::from([("format".to_owned(), "pt".to_owned())])).unwrap();
        let file = SafetensorsFile::read(&path).unwrap();
        assert_eq!(file.floats("a").unwrap(), tensors[0].1);
        assert_eq!(file.strings()["format"], "pt");
        assert!(file.floats("b").unwrap_err().to_string().contains("no tensor `b`"));
    }

    #[test]
    fn a_file_may_be_read_by_whoever_may_read_its_neighbours() {
        let directory = tempfile::tempdir().unwrap();
        let (path, neighbour) = (directory.path().join("model.safetensors"), directory.path().join("config.json"));
        fs::write(&neighbour, "{}").unwrap();
        write_safetensors(&path, &[("a".to_owned(), TensorData::new(vec![1.0f32], [1]))], HashMap::new()).unwrap();
        let permissions = |path| fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&path), permissions(&neighbour));
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let tensors = vec![("a".to_owned(), TensorData::new(vec![1.0f32, f32::NAN], [2]))];
        write_safetensors(&path, &tensors, HashMap::new()).unwrap();
        let error = SafetensorsFile::read(&path).unwrap().floats("a").unwrap_err();
        assert!(error.to_string().contains("`a` holds NaN at place 1"), "{error}");
    }
}
