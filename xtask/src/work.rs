//! `STAGE.key`: what the work in `STAGE.tmp/` is made from, and which programs have done it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use firebrand_pipeline::{Error, Result, Slot, read_json, to_json};
use serde::{Deserialize, Serialize};

use crate::durable::flush_dir;
use crate::freshness::{Recipe, explain};

/// Unfinished work of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    stage: Slot,
    files: BTreeMap<String, String>,
    inputs: BTreeMap<Slot, String>,
    executable: String,
    /// Hashes of other executables that have worked on it, oldest first.
    pub(crate) earlier_executables: Vec<String>,
}

impl Work {
    /// Work with a recipe, which continues the work `before` it.
    pub(crate) fn new(recipe: &Recipe, before: Option<&Self>) -> Self {
        let before = before.into_iter().flat_map(|work| work.earlier_executables.iter().chain([&work.executable]));
        let mut earlier_executables: Vec<String> = Vec::new();
        for executable in before.filter(|executable| **executable != recipe.executable) {
            if !earlier_executables.contains(executable) {
                earlier_executables.push(executable.clone());
            }
        }
        Self {
            stage: recipe.stage,
            files: recipe.files.clone(),
            inputs: recipe.inputs.clone(),
            executable: recipe.executable.clone(),
            earlier_executables,
        }
    }

    /// Reads the file; `None` if it does not exist or cannot be read.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        read_json(path).ok()
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let part = path.with_extension("key.part");
        let text = to_json(self)?;
        File::create(&part)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, path))
            .map_err(|error| Error::io("write", path, &error))?;
        path.parent().map_or(Ok(()), flush_dir)
    }

    /// How the recipe's inputs differ from those of this work; `None` if they do not. Configuration and program are compared
    /// by the stage itself.
    pub(crate) fn other_inputs(&self, recipe: &Recipe) -> Option<String> {
        let reasons = recipe.input_differences(&self.files, &self.inputs);
        (!reasons.is_empty()).then(|| explain(&reasons))
    }
}
