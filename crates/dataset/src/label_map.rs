//! The label map: label names by index.

use std::collections::HashSet;
use std::path::Path;

use firebrand_pipeline::{Error, Result, hash, read_json, write_json};
use serde::{Deserialize, Serialize};

/// The names of the labels, ordered by index, and whether the data is multi-label. `clean` writes it for all later stages.
///
/// As a file: `{"labels": ["negative", "positive"]}`, or `{"labels": [...], "multi_label": true}`.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelMap {
    names: Vec<String>,
    multi_label: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    multi_label: bool,
}

/// Skips the default when writing.
fn is_false(value: &bool) -> bool {
    !value
}

impl LabelMap {
    /// A single-label map with these names: at least one, none empty, all distinct.
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
            return Err(Error::data(format!("the label {twice:?} occurs twice")));
        }
        Ok(Self { names, multi_label: false })
    }

    /// The same names for multi-label data (`true`: a row has any number of labels, including none) or single-label data.
    #[must_use]
    pub fn with_multi_label(self, multi_label: bool) -> Self {
        Self { multi_label, ..self }
    }

    /// Whether a row may have any number of labels, including none, rather than exactly one.
    pub fn is_multi_label(&self) -> bool {
        self.multi_label
    }

    /// Why a row cannot have these labels: one is not in the map, there are too many or too few, or one occurs twice. `None`
    /// if the labels are valid.
    pub fn problem_of(&self, labels: &[u32]) -> Option<String> {
        let known = self.len();
        if let Some(beyond) = labels.iter().find(|&&label| label as usize >= known) {
            return Some(format!("has the label {beyond}, but labels.json has {known} (from 0)"));
        }
        match labels {
            [_] => None,
            [] if self.multi_label => None,
            [] => Some("has no label".to_owned()),
            _ if !self.multi_label => Some(format!("has {} labels {labels:?}", labels.len())),
            _ => {
                let twice = (1..labels.len()).find(|&place| labels[..place].contains(&labels[place]))?;
                Some(format!("has the label {} twice", labels[twice]))
            }
        }
    }

    /// Reads a map from its JSON file.
    ///
    /// # Errors
    /// When the file cannot be read or is not a valid label map.
    pub fn read(path: &Path) -> Result<Self> {
        const SHAPE: &str =
            r#"the file looks like {"labels": ["negative", "positive"]}: names in the order of their indices"#;
        let file: File = read_json(path).map_err(|error| error.hint(SHAPE))?;
        Self::new(file.labels)
            .map(|map| map.with_multi_label(file.multi_label))
            .map_err(|error| error.context(format!("{} is not valid", path.display())).hint(SHAPE))
    }

    /// Writes the map as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let file = File { labels: self.names.clone(), multi_label: self.multi_label };
        write_json(path, &file)
    }

    /// The names in the order of their indices.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of the label with this index.
    pub fn name(&self, index: u32) -> Option<&str> {
        self.names.get(index as usize).map(String::as_str)
    }

    /// The index of the label with this name.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.names.iter().position(|known| known == name).and_then(|index| u32::try_from(index).ok())
    }

    /// Number of labels, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// A hash of the names, their order, and whether the data is multi-label: artifacts with equal hashes have the same
    /// labels.
    pub fn hash(&self) -> String {
        // Length prefixes distinguish ["ab", "c"] from ["a", "bc"] for any names.
        let mut bytes = Vec::new();
        for name in &self.names {
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        // Cannot be mistaken for another name: one byte is too short for a length.
        if self.multi_label {
            bytes.push(1);
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
    fn names_and_indices_map_to_each_other() {
        let map = map(&["schlecht", "gut", "très bien 👍"]);
        assert_eq!(map.len(), 3);
        assert_eq!(map.index("très bien 👍"), Some(2));
        assert_eq!(map.name(2), Some("très bien 👍"));
        assert_eq!((map.index("Gut"), map.name(3)), (None, None));
    }

    #[test]
    fn a_map_round_trips_through_its_file() {
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
    fn empty_and_repeated_names_are_refused() {
        assert_eq!(refused(&[]), "there are no labels");
        assert_eq!(refused(&["a", " "]), "label 1 has no name");
        assert_eq!(refused(&["a", "b", "a"]), "the label \"a\" occurs twice");
        assert_eq!(map(&["a", "A"]).len(), 2);
    }

    #[test]
    fn the_hash_depends_on_order_and_boundaries() {
        assert_eq!(map(&["a", "b"]).hash(), map(&["a", "b"]).hash());
        assert_ne!(map(&["a", "b"]).hash(), map(&["b", "a"]).hash());
        assert_ne!(map(&["ab", "c"]).hash(), map(&["a", "bc"]).hash());
    }

    #[test]
    fn several_labels_per_row_are_part_of_the_map() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("labels.json");
        let single = map(&["a", "b"]);
        let multi = single.clone().with_multi_label(true);
        multi.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.replace(['\n', ' '], ""), r#"{"labels":["a","b"],"multi_label":true}"#);
        assert_eq!(LabelMap::read(&path).unwrap(), multi);
        assert!(multi.is_multi_label() && !single.is_multi_label());
        assert_ne!(multi.hash(), single.hash());
    }

    #[test]
    fn what_labels_a_row_may_have_depends_on_the_map() {
        let single = map(&["a", "b"]);
        let multi = single.clone().with_multi_label(true);
        for (labels, of_single, of_multi) in [
            (&[1][..], None, None),
            (&[], Some("has no label"), None),
            (&[1, 0], Some("has 2 labels [1, 0]"), None),
            (&[0, 0], Some("has 2 labels [0, 0]"), Some("has the label 0 twice")),
            (
                &[2],
                Some("has the label 2, but labels.json has 2 (from 0)"),
                Some("has the label 2, but labels.json has 2 (from 0)"),
            ),
        ] {
            assert_eq!(single.problem_of(labels).as_deref(), of_single);
            assert_eq!(multi.problem_of(labels).as_deref(), of_multi);
        }
    }

    #[test]
    fn files_that_are_not_a_map_are_refused() {
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
