//! Random access to a file, within its bounds.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::floats::FloatKind;
use crate::ModelError;

/// Floats are converted in chunks of this many bytes, a multiple of every float's size.
const CHUNK: u64 = 1 << 18;

/// An open file and its length. It is not memory-mapped: truncating a mapped file kills whoever reads it.
#[derive(Debug)]
pub(super) struct RangedFile {
    path: PathBuf,
    file: Mutex<File>,
    length: u64,
}

impl RangedFile {
    /// Opens a file. A Git LFS pointer is an error that says how to get the file itself.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        const POINTER: &[u8] = b"version https://git-lfs";
        let file = File::open(path).map_err(ModelError::io("read", path))?;
        let length = file.metadata().map_err(ModelError::io("read", path))?.len();
        let this = Self { path: path.to_owned(), file: Mutex::new(file), length };
        if length >= POINTER.len() as u64 && this.read(0, POINTER.len() as u64)? == POINTER {
            return Err(this.problem("a Git LFS pointer, not the file itself: run `git lfs pull`, or fetch it again"));
        }
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// An error about this file.
    pub(super) fn problem(&self, problem: impl Into<String>) -> ModelError {
        ModelError::Tensors { path: self.path.clone(), problem: problem.into() }
    }

    /// Reads a range of bytes. Nothing is allocated for bytes that the file does not have.
    pub(super) fn read(&self, start: u64, length: u64) -> Result<Vec<u8>, ModelError> {
        let mut bytes = vec![0; self.check_range(start, Some(length))?];
        self.read_exact_at(start, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads `count` floats as float32.
    pub(super) fn floats(&self, start: u64, count: u64, kind: FloatKind) -> Result<Vec<f32>, ModelError> {
        let mut left = self.check_range(start, count.checked_mul(kind.size()))? as u64;
        // The file has more bytes than this, so it fits.
        let mut values = Vec::with_capacity(count as usize);
        let mut chunk = vec![0; left.min(CHUNK) as usize];
        let mut position = start;
        while left > 0 {
            let bytes = &mut chunk[..left.min(CHUNK) as usize];
            self.read_exact_at(position, bytes)?;
            kind.decode(bytes, &mut values);
            position += bytes.len() as u64;
            left -= bytes.len() as u64;
        }
        Ok(values)
    }

    /// The length of a range, if it lies within the file.
    fn check_range(&self, start: u64, length: Option<u64>) -> Result<usize, ModelError> {
        length
            .filter(|length| start.checked_add(*length).is_some_and(|end| end <= self.length))
            .and_then(|length| usize::try_from(length).ok())
            .ok_or_else(|| {
                let wanted = length.map_or("very many".to_owned(), |length| length.to_string());
                self.problem(format!(
                    "expected {wanted} bytes from byte {start} on, but the file has {} bytes: fetch it again",
                    self.length
                ))
            })
    }

    fn read_exact_at(&self, start: u64, bytes: &mut [u8]) -> Result<(), ModelError> {
        // A reader that panicked can only have moved the position, which is set here.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(bytes))
            .map_err(ModelError::io("read", &self.path))
    }
}
