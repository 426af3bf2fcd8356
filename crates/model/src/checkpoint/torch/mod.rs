//! `pytorch_model.bin`: what `torch.save` makes of a dictionary of tensors, since torch 1.6.
//!
//! It is a zip archive: `data.pkl` is a pickle that names the tensors and says where in which storage they lie; each storage
//! is an entry of its own, not compressed. A pickle is a program; this reader knows those of its instructions that such a
//! dictionary needs, and calls nothing: everything else is an error that names it.

mod archive;
mod global;
mod machine;
mod pickle;
mod rebuild;
mod value;
mod view;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;

use self::archive::Archive;
use self::global::Element;
use self::pickle::Pickle;
use self::view::View;
use super::floats::not_finite;
use super::hub::TensorFile;
use crate::ModelError;

/// All tensors together may take this many times the file's size as float32: float16 doubles, and tensors may share a
/// storage. Without a limit, a small file could list one storage a million times.
const LARGEST_FACTOR: u64 = 8;

/// The longest pickle that is read: a thousand times that of a large model.
const LONGEST_PICKLE: u64 = 100_000_000;

/// An open `.bin` file. Tensors are read from it as they are asked for.
#[derive(Debug)]
pub(super) struct TorchFile {
    archive: Archive,
    /// Where each storage's bytes start.
    storages: Vec<u64>,
    views: Vec<View>,
    /// Name → place in `views`.
    tensors: BTreeMap<String, u32>,
}

impl TorchFile {
    /// Opens a file and checks where its tensors lie.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let archive = Archive::open(path)?;
        let (start, length) = archive.entry("data.pkl")?;
        if length > LONGEST_PICKLE {
            return Err(archive.problem(format!("`data.pkl` has {length} bytes: at most {LONGEST_PICKLE} are read")));
        }
        let bytes = archive.file().read(start, length)?;
        if let Some((start, length)) = archive.find("byteorder")?
            && archive.file().read(start, length.min(8))? != b"little"
        {
            return Err(archive.problem("its numbers are not little-endian: load and save it once on a usual machine"));
        }
        let Pickle { storages, views, tensors } = Pickle::read(&bytes).map_err(|problem| archive.problem(problem))?;

        let mut starts = Vec::with_capacity(storages.len());
        for storage in &storages {
            let (start, length) = archive.entry(&format!("data/{}", storage.key))?;
            if storage.count.checked_mul(storage.element.size()).is_none_or(|bytes| bytes > length) {
                return Err(archive.problem(format!(
                    "storage `{}` is to hold {} numbers of {}, but has {length} bytes",
                    storage.key,
                    storage.count,
                    storage.element.name()
                )));
            }
            starts.push(start);
        }
        let this = Self { archive, storages: starts, views, tensors };
        this.check_sum()?;
        Ok(this)
    }

    /// What every tensor's numbers are (`float32`), and the bytes that they take, by name.
    pub(super) fn kinds(&self) -> BTreeMap<String, (String, u64)> {
        let kind = |view: &View| (view.element.name().to_owned(), view.count() * view.element.size());
        self.tensors.iter().map(|(name, &place)| (name.clone(), kind(&self.views[place as usize]))).collect()
    }

    fn check_sum(&self) -> Result<(), ModelError> {
        let length = self.archive.file().length();
        let views = self.tensors.values().map(|&place| &self.views[place as usize]);
        let numbers = views.fold(0u64, |sum, view| sum.saturating_add(view.count()));
        if numbers.saturating_mul(4) > length.saturating_mul(LARGEST_FACTOR) {
            return Err(self
                .archive
                .problem(format!("its tensors have {numbers} numbers, which a file of {length} bytes cannot hold")));
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

    fn floats(&self, name: &str) -> Result<TensorData, ModelError> {
        let problem = |problem: String| self.archive.problem(problem);
        let place = self.tensors.get(name).ok_or_else(|| problem(format!("there is no tensor `{name}`")))?;
        let view = &self.views[*place as usize];
        let Element::Float(kind) = view.element else {
            let found = view.element.name();
            return Err(problem(format!("tensor `{name}` holds {found}, where floats are needed")));
        };
        // `open` made one for each storage that a tensor may lie in.
        let start = self.storages[view.storage];
        let values = if view.is_contiguous() {
            self.archive.file().floats(start + view.offset * kind.size(), view.count(), kind)?
        } else {
            let span = self.archive.file().floats(start + view.offset * kind.size(), view.span(), kind)?;
            view.gather(&span)
        };
        match not_finite(name, &values) {
            Some(found) => Err(problem(found)),
            None => Ok(TensorData::new(values, view.shape.clone())),
        }
    }
}
