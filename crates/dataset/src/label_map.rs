//! The label map: names in the order of their indices.

use std::collections::HashSet;
use std::path::Path;

use firebrand_pipeline::{Error, Result, ResultExt, hash, read_json};
use serde::{Deserialize, Serialize};

/// The names of the labels; the place in the list is the index. Made by `clean` once and for all later stages.
///
/// As a file: `{"labels": ["negative", "positive"]}`.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelMap {
    names: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    labels: Vec<String>,
}

impl LabelMap {
    /// A map of at least one name; none is empty or there twice.
    ///
    /// # Errors
    /// A data error that names the label.
    pub fn new(names: Vec<String>) -> Result<Self> {
        if names.is_empty() {
            return Err(Error::data("there are no labels"));
        }
        if let Some(index) = names.iter().position(|name| name.trim().is_empty()) {
            return Err(Error::data(format!("label {index} has no name")));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Error::data(format!("the label {twice:?} is there twice")));
        }
        Ok(Self { names })
    }

    /// Reads a map from its JSON file.
    ///
    /// # Errors
    /// When the file cannot be read or is not the JSON of a map.
    pub fn read(path: &Path) -> Result<Self> {
        const SHAPE: &str =
            r#"the file looks like {"labels": ["negative", "positive"]}: names in the order of their indices"#;
        let file: File = read_json(path).map_err(|error| error.hint(SHAPE))?;
        Self::new(file.labels).map_err(|error| error.context(format!("{} is not valid", path.display())).hint(SHAPE))
    }

    /// Writes the map as JSON.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        let file = File { labels: self.names.clone() };
        let mut text =
            serde_json::to_string_pretty(&file).or_other(|| format!("cannot write {} as JSON", path.display()))?;
        text.push('\n');
        std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))
    }

    /// The names in the order of their indices.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a label.
    pub fn name(&self, index: u32) -> Option<&str> {
        self.names.get(index as usize).map(String::as_str)
    }

    /// The index of a label.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.names.iter().position(|known| known == name).and_then(|index| u32::try_from(index).ok())
    }

    /// How many labels there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// A hash of the names and their order; two artifacts with the same hash mean the same labels.
    pub fn hash(&self) -> String {
        // Lengths keep ["ab", "c"] and ["a", "bc"] apart, whatever the names have in them.
        let mut bytes = Vec::new();
        for name in &self.names {
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        hash::bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> LabelMap {
        LabelMap::new(names.iter().map(|&name| name.to_owned()).collect()).unwrap()
    }

    fn refused(names: &[&str]) -> String {
        LabelMap::new(names.iter().map(|&name| name.to_owned()).collect()).unwrap_err().message().to_owned()
    }

    #[test]
    fn names_and_indices_find_each_other() {
        let map = map(&["schlecht", "gut", "très bien 👍"]);
        assert_eq!(map.len(), 3);
        assert_eq!(map.index("très bien 👍"), Some(2));
        assert_eq!(map.name(2), Some("très bien 👍"));
        assert_eq!((map.index("Gut"), map.name(3)), (None, None));
    }

    #[test]
    fn a_file_is_the_same_map_and_the_same_bytes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("labels.json");
        let written = map(&["negative", "\"quoted\"\n", "日本"]);
        written.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(LabelMap::read(&path).unwrap(), written);
        written.write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        map(&["negative", "positive"]).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.replace(['\n', ' '], ""), r#"{"labels":["negative","positive"]}"#);
    }

    #[test]
    fn names_that_cannot_be_told_apart_are_refused() {
        assert_eq!(refused(&[]), "there are no labels");
        assert_eq!(refused(&["a", " "]), "label 1 has no name");
        assert_eq!(refused(&["a", "b", "a"]), "the label \"a\" is there twice");
        assert_eq!(map(&["a", "A"]).len(), 2);
    }

    #[test]
    fn the_hash_knows_order_and_borders() {
        assert_eq!(map(&["a", "b"]).hash(), map(&["a", "b"]).hash());
        assert_ne!(map(&["a", "b"]).hash(), map(&["b", "a"]).hash());
        assert_ne!(map(&["ab", "c"]).hash(), map(&["a", "bc"]).hash());
    }

    #[test]
    fn files_that_are_no_map_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("labels.json");
        for (text, expected) in [
            ("[\"a\"]", "labels.json is not valid"),
            ("{\"labels\": [1]}", "expected a string at line 1"),
            ("{\"labels\": []}", "there are no labels"),
            ("{\"names\": [\"a\"]}", "unknown field `names`"),
            ("{\"labels\": [\"a\"", "EOF"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = LabelMap::read(&path).unwrap_err();
            assert!(error.render().contains(expected), "{text}: {}", error.render());
            assert!(error.render().contains("hint: the file looks like"), "{}", error.render());
            assert_eq!(error.kind().exit_code(), 4);
        }
        assert!(LabelMap::read(&home.path().join("none.json")).unwrap_err().message().contains("cannot read"));
    }
}
