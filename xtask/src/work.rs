//! `STAGE.key`: what an unfinished stage is being made from, and which programs have worked on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use firebrand_pipeline::{Error, Result, Slot, read_json, to_json};
use serde::{Deserialize, Serialize};

use crate::freshness::{Recipe, explain};

/// What `STAGE.tmp/` holds the beginnings of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    stage: Slot,
    files: BTreeMap<String, String>,
    inputs: BTreeMap<Slot, String>,
    executable: String,
    /// The hashes of other executables that worked on it before, oldest first.
    pub(crate) earlier_executables: Vec<String>,
}

impl Work {
    /// Work by a recipe, which goes on with what was there `before`.
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

    /// What was noted; `None` where nothing was, or nothing readable.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        read_json(path).ok()
    }

    /// Notes it, as a whole or not at all.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let part = path.with_extension("key.part");
        let text = to_json(self)?;
        File::create(&part)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, path))
            .map_err(|error| Error::io("write", path, &error))
    }

    /// How the recipe's inputs differ from those of this work; `None` when they are the same. Configuration and program are
    /// for the stage itself to compare.
    pub(crate) fn other_inputs(&self, recipe: &Recipe) -> Option<String> {
        let reasons = recipe.input_differences(&self.files, &self.inputs);
        (!reasons.is_empty()).then(|| explain(&reasons))
    }
}
