//! The single place where bytes of an archive are written to the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};

use super::Unpacked;

/// Limits on what an archive may unpack to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Total bytes written (sizes that the archive declares are not trusted).
    pub(crate) bytes: u64,
    /// Number of files and directories.
    pub(crate) entries: u64,
}

impl Limits {
    /// Far more than any sensible archive has, far fewer than exhaust a file system.
    const ENTRIES: u64 = 2_000_000;

    /// The limits for a `max_unpacked_mib`.
    pub(crate) fn from_mib(mib: u64) -> Self {
        Self { bytes: mib.saturating_mul(1 << 20), entries: Self::ENTRIES }
    }
}

/// The directory being filled.
#[derive(Debug)]
pub(super) struct Target<'a> {
    root: &'a Path,
    archive: &'a str,
    limits: Limits,
    bytes: u64,
    entries: u64,
    files: Vec<Unpacked>,
}

impl<'a> Target<'a> {
    pub(super) fn new(root: &'a Path, archive: &'a str, limits: Limits) -> Self {
        Self { root, archive, limits, bytes: 0, entries: 0, files: Vec::new() }
    }

    /// The name of the archive, for messages.
    pub(super) fn archive(&self) -> &'a str {
        self.archive
    }

    /// How many bytes may still be written.
    pub(super) fn room(&self) -> u64 {
        self.limits.bytes - self.bytes
    }

    /// An error about a hostile or damaged entry.
    pub(super) fn refuse(&self, entry: &str, why: &str) -> Error {
        Error::data(format!("{} has an entry {entry:?} that {why}; nothing of it was used", self.archive))
            .hint("no honest archive of data or weights holds such an entry: check where it comes from")
    }

    /// Creates a directory.
    pub(super) fn directory(&mut self, name: &str) -> Result<()> {
        self.count_entry()?;
        let path = self.resolve(name)?;
        self.create_dir(&path, name)
    }

    /// Writes a file with the contents of the reader.
    pub(super) fn file(&mut self, name: &str, reader: &mut impl Read) -> Result<()> {
        self.count_entry()?;
        let path = self.resolve(name)?;
        if path == self.root {
            return Err(self.refuse(name, "has no name"));
        }
        if let Some(parent) = path.parent() {
            self.create_dir(parent, name)?;
        }
        // A second entry of the same name must not overwrite the first one.
        let mut file = File::create_new(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => self.refuse(name, "is there twice"),
            _ => Error::io("write", &path, &error),
        })?;
        let room = self.room();
        // One byte beyond the limit tells an archive that just fits from one that is too large.
        let written = copy(&mut reader.take(room.saturating_add(1)), &mut file).map_err(|failure| match failure {
            Failure::Reading(error) => {
                Error::data(format!("{} is damaged: its entry {name:?} cannot be read", self.archive)).caused_by(&error)
            }
            Failure::Writing(error) => Error::io("write", &path, &error),
        })?;
        if written > room {
            return Err(Error::data(format!(
                "{} unpacks to more than {} MiB (reached in {name:?})",
                self.archive,
                self.limits.bytes >> 20
            ))
            .hint(
                "if it is honest, raise `fetch.max_unpacked_mib`; a small archive that grows so much may be a bomb",
            ));
        }
        self.bytes += written;
        self.files.push(Unpacked { path: relative(&path, self.root), bytes: written });
        Ok(())
    }

    /// The files written, sorted by path.
    pub(super) fn finish(mut self) -> Result<Vec<Unpacked>> {
        if self.files.is_empty() {
            return Err(Error::data(format!("{} is an archive without files", self.archive)));
        }
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.files)
    }

    fn count_entry(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Error::data(format!("{} has more than {} entries", self.archive, self.limits.entries))
                .hint("unpack it by hand and name the folder with `path = …` if that is what you want"));
        }
        Ok(())
    }

    /// The path of an entry below the root, or an error if it would lie elsewhere.
    fn resolve(&self, name: &str) -> Result<PathBuf> {
        // Backslashes and drive letters only matter on Windows, but the same rule holds everywhere.
        if name.starts_with('/') || name.contains('\\') || name.get(1..2) == Some(":") {
            return Err(self.refuse(name, "names an absolute path or a drive"));
        }
        if name.contains('\0') {
            return Err(self.refuse(name, "has a NUL in its name"));
        }
        let mut path = self.root.to_owned();
        for part in name.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(self.refuse(name, "leaves the target directory with `..`")),
                part => path.push(part),
            }
        }
        Ok(path)
    }

    fn create_dir(&self, path: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                self.refuse(name, "needs a directory where a file of the same name is")
            }
            _ => Error::io("create", path, &error),
        })
    }
}

fn relative(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Whether reading the archive or writing to the disk failed.
enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

fn copy(from: &mut impl Read, to: &mut File) -> std::result::Result<u64, Failure> {
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Reading(error)),
        };
        to.write_all(&buffer[..count]).map_err(Failure::Writing)?;
        total += count as u64;
    }
}
