//! Content hashes of files, cached by size and modification time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use firebrand_pipeline::{Error, Hidden, Result, files_below, hash};
use serde::{Deserialize, Serialize};

/// The cache, kept in the run's directory. Losing it costs a second, so no problem with its file is an error.
#[derive(Debug)]
pub(crate) struct Hashes {
    file: PathBuf,
    known: BTreeMap<PathBuf, Known>,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    modified_nanos: u64,
    blake3: String,
}

impl Hashes {
    /// Reads the cache from `file`.
    pub(crate) fn open(file: PathBuf) -> Self {
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { file, known, changed: false }
    }

    /// The hash of a file's content.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn of_file(&mut self, path: &Path) -> Result<String> {
        let data = fs::metadata(path).map_err(|error| Error::io("read", path, &error))?;
        let since = data.modified().ok().and_then(|time: SystemTime| time.duration_since(UNIX_EPOCH).ok());
        let modified_nanos = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default();
        if let Some(known) = self.known.get(path)
            && (known.bytes, known.modified_nanos) == (data.len(), modified_nanos)
        {
            return Ok(known.blake3.clone());
        }
        let blake3 = hash::file(path)?;
        self.known.insert(path.to_owned(), Known { bytes: data.len(), modified_nanos, blake3: blake3.clone() });
        self.changed = true;
        Ok(blake3)
    }

    /// The hash of a file, or of a directory: of the names and contents of the files that `fetch` would copy from it.
    ///
    /// # Errors
    /// When something below it cannot be read.
    pub(crate) fn of_path(&mut self, path: &Path) -> Result<String> {
        if !path.is_dir() {
            return self.of_file(path);
        }
        let mut text = String::new();
        for file in files_below(path, Hidden::Skip)? {
            text.push_str(&format!("{} {file}\n", self.of_file(&path.join(&file))?));
        }
        Ok(hash::bytes(text.as_bytes()))
    }

    /// Writes the cache for the next run.
    pub(crate) fn save(&mut self) {
        if std::mem::take(&mut self.changed)
            && let Ok(text) = serde_json::to_vec(&self.known)
        {
            let part = self.file.with_extension("json.part");
            let _ = fs::write(&part, text).and_then(|()| fs::rename(&part, &self.file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_again_only_when_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (memory, file) = (dir.path().join("hashes.json"), dir.path().join("exe"));
        fs::write(&file, "one").unwrap();
        let mut hashes = Hashes::open(memory.clone());
        let first = hashes.of_file(&file).unwrap();
        assert_eq!(first, hash::bytes(b"one"));
        hashes.save();
        // A cached hash is returned without reading the file.
        let remembered = fs::read_to_string(&memory).unwrap().replace(&first, "remembered");
        fs::write(&memory, remembered).unwrap();
        assert_eq!(Hashes::open(memory.clone()).of_file(&file).unwrap(), "remembered");
        fs::write(&file, "three").unwrap();
        assert_eq!(Hashes::open(memory).of_file(&file).unwrap(), hash::bytes(b"three"));
    }

    #[test]
    fn a_directory_is_its_names_and_contents() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a")).unwrap();
        fs::write(tree.join("a/1.txt"), "x").unwrap();
        let mut hashes = Hashes::open(dir.path().join("hashes.json"));
        let first = hashes.of_path(&tree).unwrap();
        assert_eq!(hashes.of_path(&tree).unwrap(), first);
        fs::rename(tree.join("a/1.txt"), tree.join("a/2.txt")).unwrap();
        assert_ne!(hashes.of_path(&tree).unwrap(), first);
    }
}
