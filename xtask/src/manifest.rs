//! `manifest.json`: what a finished stage was made from, and the files it wrote. Written last.

use std::collections::BTreeMap;

use firebrand_pipeline::{Slot, hash};
use serde::{Deserialize, Serialize};

/// The manifest of a finished stage. A directory with one is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The slot.
    pub(crate) stage: Slot,
    /// The package, or the command line, that filled it.
    pub(crate) package: String,
    /// The package's version, if known.
    pub(crate) version: Option<String>,
    /// The version of the protocol between runner and stage.
    pub(crate) protocol: u32,
    /// The hash of the executable (of a command: of its words and of the files that are watched).
    pub(crate) executable: String,
    /// Hashes of other executables that worked on it before, if an interrupted run was resumed after a rebuild.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resumed_from: Vec<String>,
    /// The resolved section of the configuration.
    pub(crate) config: serde_json::Value,
    /// Content hashes of the files outside the run that the configuration names.
    pub(crate) files: BTreeMap<String, String>,
    /// Content hashes of the inputs: [`Manifest::content`] of their manifests.
    pub(crate) inputs: BTreeMap<Slot, String>,
    /// Every file that the stage wrote, sorted by path.
    pub(crate) outputs: Vec<OutputFile>,
    /// How long the stage ran.
    pub(crate) seconds: f64,
}

/// A file that a stage wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputFile {
    /// Relative to the stage's directory, with `/`.
    pub(crate) path: String,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Hash of its content.
    pub(crate) blake3: String,
}

impl Manifest {
    /// A hash over the paths and contents of all outputs and nothing else, so that a stage that ran again with the same
    /// result leaves later stages fresh.
    pub(crate) fn content(&self) -> String {
        let mut text = String::new();
        for output in &self.outputs {
            text.push_str(&format!("{} {}\n", output.blake3, output.path));
        }
        hash::bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(seconds: f64, hash: &str) -> Manifest {
        Manifest {
            stage: Slot::Clean,
            package: "firebrand-clean".to_owned(),
            version: Some("0.1.0".to_owned()),
            protocol: 1,
            executable: "e".to_owned(),
            resumed_from: Vec::new(),
            config: serde_json::json!({ "lowercase": false }),
            files: BTreeMap::new(),
            inputs: BTreeMap::from([(Slot::Fetch, "f".to_owned())]),
            outputs: vec![OutputFile { path: "labels.json".to_owned(), bytes: 3, blake3: hash.to_owned() }],
            seconds,
        }
    }

    #[test]
    fn content_is_what_the_outputs_are() {
        assert_eq!(manifest(1.0, "a").content(), manifest(2.0, "a").content());
        assert_ne!(manifest(1.0, "a").content(), manifest(1.0, "b").content());
    }

    #[test]
    fn json_reads_back() {
        let text = serde_json::to_string(&manifest(1.5, "a")).unwrap();
        assert!(text.contains(r#""inputs":{"fetch":"f"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest(1.5, "a"));
    }
}
