//! `pytorch_model.bin`: what `torch.save` makes of a dictionary of tensors, since torch 1.6.
//!
//! It is a zip archive: `data.pkl` is a pickle of the tensors' names, and of their shapes and offsets in the storages; each
//! storage is an uncompressed entry of its own. A pickle is a program; this reader knows only the instructions that such a
//! dictionary needs and never calls anything. Everything else is an error that names it.

mod archive;
mod global;
mod machine;
mod pickle;
mod rebuild;
mod value;
mod view;

use std::collections::BTreeMap;
use std::path::Path;

use self::archive::Archive;
use self::global::Element;
use self::pickle::Pickle;
use self::view::View;
use super::floats::not_finite;
use super::tensor::{FloatTensor, TensorFile};
use crate::ModelError;

/// As float32, all tensors together may take this many times the file's size: float16 doubles, and tensors may share a
/// storage. Without a limit, a small file could refer to one storage a million times.
const MAX_EXPANSION: u64 = 8;

/// The longest accepted pickle: a thousand times that of a large model.
const MAX_PICKLE: u64 = 100_000_000;

/// An open `.bin` file. Tensors are read from it as they are asked for.
#[derive(Debug)]
pub(super) struct TorchFile {
    archive: Archive,
    /// Offset of each storage's bytes.
    storages: Vec<u64>,
    views: Vec<View>,
    /// Name → index in `views`.
    tensors: BTreeMap<String, u32>,
}

impl TorchFile {
    /// Opens a file and checks that its tensors lie inside their storages.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let archive = Archive::open(path)?;
        let (start, length) = archive.entry("data.pkl")?;
        if length > MAX_PICKLE {
            return Err(archive.problem(format!("`data.pkl` has {length} bytes: at most {MAX_PICKLE} are read")));
        }
        let bytes = archive.file().read(start, length)?;
        if let Some((start, length)) = archive.find("byteorder")?
            && archive.file().read(start, length.min(8))? != b"little"
        {
            return Err(
                archive.problem("its numbers are not little-endian: load and save it once on a little-endian machine")
            );
        }
        let Pickle { storages, views, tensors } = Pickle::read(&bytes).map_err(|problem| archive.problem(problem))?;

        let mut starts = Vec::with_capacity(storages.len());
        for storage in &storages {
            let (start, length) = archive.entry(&format!("data/{}", storage.key))?;
            if storage.count.checked_mul(storage.element.size()).is_none_or(|bytes| bytes > length) {
                return Err(archive.problem(format!(
                    "storage `{}` should hold {} values of {}, but has {length} bytes",
                    storage.key,
                    storage.count,
                    storage.element.name()
                )));
            }
            starts.push(start);
        }
        let this = Self { archive, storages: starts, views, tensors };
        this.check_total_size()?;
        Ok(this)
    }

    /// Every tensor's element type (`float32`) and size in bytes, by name.
    pub(super) fn kinds(&self) -> BTreeMap<String, (String, u64)> {
        let kind = |view: &View| (view.element.name().to_owned(), view.count() * view.element.size());
        self.tensors.iter().map(|(name, &place)| (name.clone(), kind(&self.views[place as usize]))).collect()
    }

    fn check_total_size(&self) -> Result<(), ModelError> {
        let length = self.archive.file().length();
        let views = self.tensors.values().map(|&place| &self.views[place as usize]);
        let values = views.fold(0u64, |sum, view| sum.saturating_add(view.count()));
        if values.saturating_mul(4) > length.saturating_mul(MAX_EXPANSION) {
            return Err(self
                .archive
                .problem(format!("its tensors have {values} values, which a file of {length} bytes cannot hold")));
        }
        Ok(())
    }
}

impl TensorFile for TorchFile {
    fn path(&self) -> &Path {
        self.archive.file().path()
    }

    fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, &place)| (name.clone(), self.views[place as usize].shape.clone())).collect()
    }

    fn floats(&self, name: &str) -> Result<FloatTensor, ModelError> {
        let problem = |problem: String| self.archive.problem(problem);
        let place = self.tensors.get(name).ok_or_else(|| problem(format!("there is no tensor `{name}`")))?;
        let view = &self.views[*place as usize];
        let Element::Float(kind) = view.element else {
            let found = view.element.name();
            return Err(problem(format!("tensor `{name}` holds {found}, expected floats")));
        };
        // `open` recorded one for each storage.
        let start = self.storages[view.storage];
        let values = if view.is_contiguous() {
            self.archive.file().floats(start + view.offset * kind.size(), view.count(), kind)?
        } else {
            let span = self.archive.file().floats(start + view.offset * kind.size(), view.span(), kind)?;
            view.gather(&span)
        };
        match not_finite(name, &values) {
            Some(found) => Err(problem(found)),
            None => Ok(FloatTensor::new(values, view.shape.clone())),
        }
    }
}
