//! Sharded checkpoints: an index says which file holds which tensor.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::json::duplicate_key;
use super::ranged::RangedFile;
use crate::ModelError;

/// The maximum number of files that an index may name.
const MAX_FILES: usize = 10_000;

/// `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// File names, in order of first mention.
    pub(super) files: Vec<String>,
    /// Tensor → index of its file in `files`.
    pub(super) tensors: BTreeMap<String, usize>,
}

impl Index {
    /// Reads an index. Every file that it names must lie in the same directory.
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        // The other key, `metadata`, holds the total size.
        #[derive(Deserialize)]
        struct Text {
            weight_map: Index,
        }
        let file = RangedFile::open(path)?;
        let text = file.read(0, file.length())?;
        let Text { weight_map: index } =
            serde_json::from_slice(&text).map_err(|error| file.problem(format!("not an index of shards: {error}")))?;
        if index.files.is_empty() {
            return Err(file.problem("its `weight_map` is empty: expected a file name for each tensor"));
        }
        if let Some(name) = index.files.iter().find(|name| !is_plain(name)) {
            return Err(file.problem(format!("it names the file {name:?}: expected one in the same directory")));
        }
        Ok(index)
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Index;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "an object that names at most {MAX_FILES} files")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Index, A::Error> {
                let mut index = Index::default();
                // Thousands of tensors share a few files.
                let mut places = BTreeMap::new();
                while let Some((tensor, file)) = access.next_entry::<String, String>()? {
                    if index.tensors.contains_key(&tensor) {
                        return Err(duplicate_key(&tensor));
                    }
                    let place = *places.entry(file).or_insert_with_key(|file| {
                        index.files.push(file.clone());
                        index.files.len() - 1
                    });
                    if index.files.len() > MAX_FILES {
                        return Err(Error::invalid_length(index.files.len(), &self));
                    }
                    index.tensors.insert(tensor, place);
                }
                Ok(index)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Whether a name is that of a file in the same directory, on every operating system.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_beside_the_index_are_named() {
        for name in ["", ".", "..", "../a", "/etc/passwd", "a/b", "a\\b", "C:a", "a\0"] {
            assert!(!is_plain(name), "{name:?}");
        }
        assert!(is_plain("model-00001-of-00002.safetensors"));
    }

    #[test]
    fn an_index_lists_its_files_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors.index.json");
        std::fs::write(&path, r#"{"metadata": {"total_size": 8}, "weight_map": {"b": "2", "a": "1", "c": "1"}}"#)
            .unwrap();
        let index = Index::read(&path).unwrap();
        assert_eq!(index.files, ["2", "1"]);
        assert_eq!(index.tensors.into_iter().collect::<Vec<_>>(), [("a".into(), 1), ("b".into(), 0), ("c".into(), 1)]);
    }
}
