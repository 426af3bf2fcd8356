//! The weights of a model's directory, in any supported format.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::SafetensorsFile;
use super::shards::Index;
use super::tensor::{FloatTensor, TensorFile};
use super::torch::TorchFile;
use crate::ModelError;

/// A tensor file format.
#[derive(Debug, Clone, Copy)]
enum Format {
    Safetensors,
    Torch,
}

/// File name, format, and whether it is an index of shards, in the order of preference of transformers.
const CANDIDATES: [(&str, Format, bool); 4] = [
    ("model.safetensors", Format::Safetensors, false),
    ("model.safetensors.index.json", Format::Safetensors, true),
    ("pytorch_model.bin", Format::Torch, false),
    ("pytorch_model.bin.index.json", Format::Torch, true),
];

/// Tensors of one file or several shards, in safetensors or torch format.
///
/// Files are opened and their headers checked at once; a tensor's values are read on demand.
#[derive(Debug)]
pub struct Weights {
    /// The file, or the index of the shards.
    path: PathBuf,
    files: Vec<Part>,
    /// Tensor → index of its file in `files`.
    tensors: BTreeMap<String, usize>,
}

impl Weights {
    /// Opens the weights of a directory: `model.safetensors` or its shards, else `pytorch_model.bin` or its shards.
    ///
    /// # Errors
    /// [`ModelError::Tensors`] when there is none of these, a file is damaged, or an index and its files disagree;
    /// [`ModelError::Io`] when a file cannot be read.
    pub fn open(directory: &Path) -> Result<Self, ModelError> {
        for (name, format, sharded) in CANDIDATES {
            let path = directory.join(name);
            if path.try_exists().map_err(ModelError::io("read", &path))? {
                return if sharded { Self::shards(directory, path, format) } else { Self::single(path, format) };
            }
        }
        let names = CANDIDATES.map(|(name, ..)| format!("`{name}`")).join(", ");
        Err(ModelError::Tensors {
            path: directory.to_owned(),
            problem: format!("no weights found: looked for {names}"),
        })
    }

    fn single(path: PathBuf, format: Format) -> Result<Self, ModelError> {
        let file = Part::open(&path, format)?;
        let tensors = file.as_dyn().shapes().into_keys().map(|name| (name, 0)).collect();
        Ok(Self { path, files: vec![file], tensors })
    }

    fn shards(directory: &Path, path: PathBuf, format: Format) -> Result<Self, ModelError> {
        let problem = |problem: String| ModelError::Tensors { path: path.clone(), problem };
        let index = Index::read(&path)?;
        let mut files = Vec::new();
        // What the files hold, not what the index lists: tensors missing from the index must be accounted for too.
        let mut tensors: BTreeMap<String, usize> = BTreeMap::new();
        for (place, file) in index.files.iter().enumerate() {
            let part = Part::open(&directory.join(file), format)?;
            for name in part.as_dyn().shapes().into_keys() {
                if let Some(other) = tensors.get(&name) {
                    return Err(problem(format!("both `{}` and `{file}` hold `{name}`", index.files[*other])));
                }
                tensors.insert(name, place);
            }
            files.push(part);
        }
        for (name, &place) in &index.tensors {
            match tensors.get(name) {
                Some(&found) if found == place => (),
                Some(&found) => {
                    let (named, holder) = (&index.files[place], &index.files[found]);
                    return Err(problem(format!("`{name}` should be in `{named}`, but is in `{holder}`")));
                }
                None => {
                    return Err(problem(format!(
                        "`{name}` should be in `{}`, but is not: fetch it again",
                        index.files[place]
                    )));
                }
            }
        }
        Ok(Self { path, files, tensors })
    }

    /// The file, or the index of the shards.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor's name and shape, by name.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.files.iter().flat_map(|file| file.as_dyn().shapes()).collect()
    }

    /// Every tensor's element type (`float32`, `int64`, …) and size in bytes, by name.
    pub fn kinds(&self) -> BTreeMap<String, (String, u64)> {
        let kinds = |file: &Part| match file {
            Part::Safetensors(file) => file.kinds(),
            Part::Torch(file) => file.kinds(),
        };
        self.files.iter().flat_map(kinds).collect()
    }

    /// The files that hold the tensors: a single one, or the shards.
    pub fn files(&self) -> Vec<&Path> {
        self.files.iter().map(|file| file.as_dyn().path()).collect()
    }

    /// A tensor of floats as float32, in row-major order.
    ///
    /// # Errors
    /// [`ModelError::Io`]; [`ModelError::Tensors`] when there is no such tensor, it holds no floats, or one of them is not
    /// finite.
    pub fn floats(&self, name: &str) -> Result<FloatTensor, ModelError> {
        let file = self.tensors.get(name).and_then(|&place| self.files.get(place)).ok_or_else(|| {
            ModelError::Tensors { path: self.path.clone(), problem: format!("there is no tensor `{name}`") }
        })?;
        file.as_dyn().floats(name)
    }
}

impl TensorFile for Weights {
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
        let place = *self.tensors.get(name)?;
        self.files.get(place)?.as_dyn().float_range(name)
    }
}

/// One file.
#[derive(Debug)]
enum Part {
    Safetensors(SafetensorsFile),
    Torch(TorchFile),
}

impl Part {
    fn open(path: &Path, format: Format) -> Result<Self, ModelError> {
        match format {
            Format::Safetensors => SafetensorsFile::read(path).map(Self::Safetensors),
            Format::Torch => TorchFile::open(path).map(Self::Torch),
        }
    }

    fn as_dyn(&self) -> &dyn TensorFile {
        match self {
            Self::Safetensors(file) => file,
            Self::Torch(file) => file,
        }
    }
}
