//! Reading untrusted safetensors files, and writing them atomically.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, View};

use super::floats::{FloatKind, not_finite};
use super::header::{self, Entry, Header};
use super::ranged::RangedFile;
use super::tensor::{FloatTensor, TensorFile, TensorValues, TensorView};
use crate::ModelError;

/// An open safetensors file. Tensors are read from it as they are asked for.
#[derive(Debug)]
pub struct SafetensorsFile {
    file: RangedFile,
    /// Offset of the first tensor's bytes.
    start: u64,
    header: Header,
}

impl SafetensorsFile {
    /// Opens a file, and parses and checks its header.
    ///
    /// # Errors
    /// [`ModelError::Io`] or, for a damaged file, [`ModelError::Tensors`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let file = RangedFile::open(path)?;
        let damaged = |problem: String| {
            let length = file.length();
            file.problem(format!(
                "damaged or incomplete safetensors file ({problem}; the file has {length} bytes): fetch it again"
            ))
        };
        if file.length() < header::LENGTH {
            return Err(damaged("too short for a header".to_owned()));
        }
        let length = file.read(0, header::LENGTH)?.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte));
        let Some(data) = (file.length() - header::LENGTH).checked_sub(length) else {
            return Err(damaged(format!("its header should have {length} bytes")));
        };
        if length > header::MAX_LENGTH {
            return Err(damaged(format!("its header has {length} bytes, more than any model's")));
        }
        let text = file.read(header::LENGTH, length)?;
        let header = Header::parse(&text, data).map_err(damaged)?;
        Ok(Self { start: header::LENGTH + length, header, file })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The metadata strings of the header (`format`, …).
    pub fn strings(&self) -> HashMap<String, String> {
        self.header.strings.clone().into_iter().collect()
    }

    /// Every tensor's name and shape, by name.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.header.tensors.iter().map(|(name, entry)| (name.clone(), entry.shape.clone())).collect()
    }

    /// Every tensor's element type (`float32`) and size in bytes, by name.
    pub(super) fn kinds(&self) -> BTreeMap<String, (String, u64)> {
        let kind = |entry: &Entry| match entry.dtype {
            Dtype::F16 => "float16".to_owned(),
            Dtype::BF16 => "bfloat16".to_owned(),
            Dtype::F32 => "float32".to_owned(),
            Dtype::F64 => "float64".to_owned(),
            Dtype::I8 => "int8".to_owned(),
            Dtype::U8 => "uint8".to_owned(),
            Dtype::I32 => "int32".to_owned(),
            Dtype::I64 => "int64".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
        let tensors = self.header.tensors.iter();
        tensors.map(|(name, entry)| (name.clone(), (kind(entry), entry.offsets.1 - entry.offsets.0))).collect()
    }

    /// A tensor of floats as float32, in row-major order.
    ///
    /// # Errors
    /// [`ModelError::Io`]; [`ModelError::Tensors`] when there is no such tensor, it holds no floats, or one of them is not
    /// finite.
    pub fn floats(&self, name: &str) -> Result<FloatTensor, ModelError> {
        let entry = self.entry(name)?;
        let kind = match entry.dtype {
            Dtype::F16 => FloatKind::F16,
            Dtype::BF16 => FloatKind::Bf16,
            Dtype::F32 => FloatKind::F32,
            Dtype::F64 => FloatKind::F64,
            other => {
                return Err(self.file.problem(format!("tensor `{name}` holds {other:?}, expected floats")));
            }
        };
        let (from, to) = entry.offsets;
        let values = self.file.floats(self.start + from, (to - from) / kind.size(), kind)?;
        match not_finite(name, &values) {
            Some(problem) => Err(self.file.problem(problem)),
            None => Ok(FloatTensor::new(values, entry.shape.clone())),
        }
    }

    /// Whether there is a tensor of this name that holds int8.
    pub(super) fn is_int8(&self, name: &str) -> bool {
        self.header.tensors.get(name).is_some_and(|entry| entry.dtype == Dtype::I8)
    }

    /// The values and the shape of a tensor of int8.
    pub(super) fn int8(&self, name: &str) -> Result<(Vec<i8>, Vec<usize>), ModelError> {
        let entry = self.entry(name)?;
        if entry.dtype != Dtype::I8 {
            return Err(self.file.problem(format!("tensor `{name}` holds {:?}, expected int8", entry.dtype)));
        }
        let (from, to) = entry.offsets;
        let bytes = self.file.read(self.start + from, to - from)?;
        Ok((bytes.into_iter().map(u8::cast_signed).collect(), entry.shape.clone()))
    }

    fn entry(&self, name: &str) -> Result<&Entry, ModelError> {
        self.header.tensors.get(name).ok_or_else(|| self.file.problem(format!("there is no tensor `{name}`")))
    }
}

impl TensorFile for SafetensorsFile {
    fn path(&self) -> &Path {
        self.path()
    }

    fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.shapes()
    }

    fn floats(&self, name: &str) -> Result<FloatTensor, ModelError> {
        self.floats(name)
    }

    fn float_range(&self, name: &str) -> Option<(PathBuf, Range<u64>)> {
        let entry = self.header.tensors.get(name).filter(|entry| entry.dtype == Dtype::F32)?;
        let (from, to) = entry.offsets;
        Some((self.path().to_owned(), self.start + from..self.start + to))
    }
}

/// Writes named tensors atomically: into a temporary file that is synced and then renamed.
///
/// # Errors
/// [`ModelError::Io`] when the system refuses; [`ModelError::Tensors`] when a tensor's values do not fit its shape.
pub fn write_safetensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, TensorView<'a>)>,
    strings: HashMap<String, String>,
) -> Result<(), ModelError> {
    let problem = |problem: String| ModelError::Tensors { path: path.to_owned(), problem };
    let mut views = Vec::new();
    for (name, tensor) in tensors {
        let (shape, found) = (tensor.shape, tensor.values.len());
        if shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size)) != Some(found) {
            return Err(problem(format!("tensor `{name}` has {found} values, which do not fit the shape {shape:?}")));
        }
        views.push((name, tensor));
    }
    let temporary = path.with_extension("safetensors.tmp");
    // The library creates a file that only its owner may read, which a server under another user could not load.
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

impl View for TensorView<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            TensorValues::F32(_) => Dtype::F32,
            TensorValues::I8(_) => Dtype::I8,
        }
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.values {
            TensorValues::F32(values) => {
                let mut bytes = vec![0; 4 * values.len()];
                for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
                    *bytes = value.to_le_bytes();
                }
                bytes.into()
            }
            TensorValues::I8(values) => values.iter().map(|value| value.cast_unsigned()).collect::<Vec<_>>().into(),
        }
    }

    fn data_len(&self) -> usize {
        match self.values {
            TensorValues::F32(values) => size_of_val(values),
            TensorValues::I8(values) => values.len(),
        }
    }
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
            assert!(refuse(bytes).contains("damaged or incomplete safetensors file"));
        }
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
        let mut overlap = (header.len() as u64).to_le_bytes().to_vec();
        overlap.extend(header);
        overlap.extend([0; 12]);
        assert!(refuse(&overlap).contains("damaged or incomplete safetensors file"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let tensor = FloatTensor::new(vec![1.0, -2.5], [2, 1]);
        let bytes = TensorView { shape: &[3], values: TensorValues::I8(&[-1, 0, 127]) };
        let strings = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        write_safetensors(&path, [("a", tensor.view()), ("c", bytes)], strings).unwrap();
        let file = SafetensorsFile::read(&path).unwrap();
        assert_eq!(file.floats("a").unwrap(), tensor);
        assert_eq!(file.int8("c").unwrap(), (vec![-1, 0, 127], vec![3]));
        assert_eq!(file.strings()["format"], "pt");
        assert!(file.floats("b").unwrap_err().to_string().contains("no tensor `b`"));
    }

    #[test]
    fn values_that_do_not_fit_their_shape_are_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let tensor = FloatTensor::new(vec![1.0, 2.0], [3]);
        let error = write_safetensors(&path, [("a", tensor.view())], HashMap::new()).unwrap_err().to_string();
        assert!(error.contains("`a` has 2 values, which do not fit the shape [3]"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn the_range_of_floats_holds_their_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let tensors = [vec![1.0, 2.0], vec![3.0]].map(|values| FloatTensor::new(values.clone(), [values.len()]));
        let bytes = TensorView { shape: &[1], values: TensorValues::I8(&[1]) };
        let named = [("a", tensors[0].view()), ("b", tensors[1].view()), ("c", bytes)];
        write_safetensors(&path, named, HashMap::new()).unwrap();
        let file = SafetensorsFile::read(&path).unwrap();
        let (found, range) = file.float_range("b").unwrap();
        assert_eq!(found, path);
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole[range.start as usize..range.end as usize], 3.0f32.to_le_bytes());
        assert_eq!((file.float_range("c"), file.float_range("d")), (None, None));
    }

    #[test]
    fn written_files_have_ordinary_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let (path, neighbour) = (directory.path().join("model.safetensors"), directory.path().join("config.json"));
        fs::write(&neighbour, "{}").unwrap();
        write_safetensors(&path, [("a", FloatTensor::new(vec![1.0], [1]).view())], HashMap::new()).unwrap();
        let permissions = |path| fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&path), permissions(&neighbour));
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let tensor = FloatTensor::new(vec![1.0, f32::NAN], [2]);
        write_safetensors(&path, [("a", tensor.view())], HashMap::new()).unwrap();
        let error = SafetensorsFile::read(&path).unwrap().floats("a").unwrap_err();
        assert!(error.to_string().contains("`a` holds NaN at index 1"), "{error}");
    }
}
