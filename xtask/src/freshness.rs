//! Whether a stage's result is up to date, and if not, why.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Request, Result, Slot};
use serde_json::Value;

use crate::config::Section;
use crate::hashes::Hashes;
use crate::manifest::Manifest;
use crate::run_dir::RunDir;

/// Everything that a stage's result depends on.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) stage: Slot,
    /// The hash of the program.
    pub(crate) executable: String,
    pub(crate) config: Value,
    /// Content hashes of the files that the configuration names, by their paths as written there.
    pub(crate) files: BTreeMap<String, String>,
    /// Content hashes of the inputs that have finished.
    pub(crate) inputs: BTreeMap<Slot, String>,
}

/// Why a stage has to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It has not finished yet.
    New,
    /// Its manifest cannot be read.
    Unreadable,
    /// An output was removed or changed.
    Damaged(String),
    /// Keys have other values: `batch_size: 16 → 32`.
    Config(Vec<String>),
    /// Files that the configuration names have changed.
    Files(Vec<String>),
    /// Inputs have changed.
    Inputs(Vec<Slot>),
    /// Inputs are about to be recomputed.
    Follows(Vec<Slot>),
    /// The program has changed.
    Executable,
    /// `--force`.
    Forced,
}

impl Recipe {
    /// The current recipe of a stage.
    ///
    /// # Errors
    /// When a file that the configuration names cannot be read.
    pub(crate) fn now(
        stage: Slot,
        section: &Section,
        executable: String,
        content: &BTreeMap<Slot, String>,
        root: &Path,
        hashes: &mut Hashes,
    ) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in local_paths(&section.values) {
            let path = expand(&name, root);
            // The stage itself reports a path that does not exist.
            if path.exists() {
                files.insert(name, hashes.of_path(&path)?);
            }
        }
        let given = stage.inputs().iter();
        let inputs = given.filter_map(|input| Some((*input, content.get(input)?.clone()))).collect();
        Ok(Self { stage, executable, config: section.values.clone(), files, inputs })
    }

    /// Why the result in `run` is not what this recipe yields; empty if it is.
    pub(crate) fn compare(&self, run: &RunDir) -> Vec<Reason> {
        let manifest = match run.manifest(self.stage) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return vec![Reason::New],
            Err(_) => return vec![Reason::Unreadable],
        };
        let mut reasons = self.differences(&manifest);
        if let Some(path) = run.first_damage(&manifest) {
            reasons.push(Reason::Damaged(path));
        }
        reasons
    }

    fn differences(&self, manifest: &Manifest) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let keys = changed_keys(&manifest.config, &self.config);
        if !keys.is_empty() {
            reasons.push(Reason::Config(keys));
        }
        reasons.extend(self.input_differences(&manifest.files, &manifest.inputs));
        if (&manifest.executable, manifest.protocol) != (&self.executable, Request::PROTOCOL) {
            reasons.push(Reason::Executable);
        }
        reasons
    }

    /// How the files and inputs differ from those that something was made from.
    pub(crate) fn input_differences(
        &self,
        files: &BTreeMap<String, String>,
        inputs: &BTreeMap<Slot, String>,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        // A file that was removed since then cannot be read again, but the result made from it is still valid.
        let changed = self.files.iter().filter(|(name, content)| files.get(*name) != Some(content));
        let changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
        if !changed.is_empty() {
            reasons.push(Reason::Files(changed));
        }
        let changed = self.stage.inputs().iter().copied().filter(|input| inputs.get(input) != self.inputs.get(input));
        let changed: Vec<Slot> = changed.collect();
        if !changed.is_empty() {
            reasons.push(Reason::Inputs(changed));
        }
        reasons
    }
}

/// The values of all keys named `path`: local files that are not outputs of a stage.
fn local_paths(config: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Value::Object(table) = config else { return found };
    for (key, value) in table {
        match value {
            Value::String(path) if key == "path" && !path.is_empty() => found.push(path.clone()),
            Value::Object(_) => found.extend(local_paths(value)),
            _ => {}
        }
    }
    found
}

/// A path in the configuration, which may start with `~/`; relative ones start from the root.
fn expand(path: &str, root: &Path) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => root.join(path),
    }
}

/// `batch_size: 16 → 32`, for each key whose value differs; keys of tables are dotted.
fn changed_keys(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    compare_values("", Some(old), Some(new), &mut changes);
    changes
}

fn compare_values(key: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<String>) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (old, new) {
        let added = after.keys().filter(|key| !before.contains_key(*key));
        for inner in before.keys().chain(added) {
            let dotted = if key.is_empty() { inner.clone() } else { format!("{key}.{inner}") };
            compare_values(&dotted, before.get(inner), after.get(inner), changes);
        }
        return;
    }
    changes.push(format!("{key}: {} → {}", show(old), show(new)));
}

/// A value as a configuration would have it: `5e-5`, not `0.00005`.
fn show(value: Option<&Value>) -> String {
    match value {
        None => "unset".to_owned(),
        Some(Value::Number(number)) if number.is_f64() => format!("{:?}", number.as_f64().unwrap_or_default()),
        Some(value) => value.to_string(),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |slots: &[Slot]| slots.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
        match self {
            Self::New => write!(f, "has not run"),
            Self::Unreadable => write!(f, "its manifest cannot be read"),
            Self::Damaged(path) => write!(f, "output removed or changed ({path})"),
            Self::Config(keys) => write!(f, "config changed ({})", keys.join(", ")),
            Self::Files(paths) => write!(f, "file changed ({})", paths.join(", ")),
            Self::Inputs(slots) => write!(f, "input changed ({})", names(slots)),
            Self::Follows(slots) => write!(f, "follows {}", names(slots)),
            Self::Executable => write!(f, "executable changed"),
            Self::Forced => write!(f, "forced"),
        }
    }
}

/// The reasons in one line.
pub(crate) fn explain(reasons: &[Reason]) -> String {
    reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changed_keys_are_named_with_both_values() {
        let old = json!({ "rate": 5e-5, "data": { "path": "a", "files": ["x"] }, "same": 1, "gone": true });
        let new = json!({ "rate": 3e-5, "data": { "path": "b", "files": ["x"] }, "same": 1, "added": "word" });
        assert_eq!(
            changed_keys(&old, &new),
            ["rate: 5e-5 → 3e-5", "data.path: \"a\" → \"b\"", "gone: true → unset", "added: unset → \"word\""]
        );
        assert_eq!(changed_keys(&new, &new), Vec::<String>::new());
    }

    #[test]
    fn local_paths_are_the_keys_of_that_name() {
        let config = json!({ "data": { "path": "a.csv", "inside": "x" }, "model": { "hub": "a/b" }, "path": "" });
        assert_eq!(local_paths(&config), ["a.csv"]);
        assert_eq!(expand("a.csv", Path::new("/root/dir")), Path::new("/root/dir/a.csv"));
        assert_eq!(expand("/a.csv", Path::new("/root/dir")), Path::new("/a.csv"));
    }

    #[test]
    fn every_part_of_a_recipe_counts() {
        let recipe = Recipe {
            stage: Slot::Split,
            executable: "e".to_owned(),
            config: json!({ "seed": 1 }),
            files: BTreeMap::from([("a.csv".to_owned(), "f".to_owned())]),
            inputs: BTreeMap::from([(Slot::Clean, "c".to_owned())]),
        };
        let manifest = Manifest {
            stage: Slot::Split,
            package: "firebrand-split".to_owned(),
            version: None,
            protocol: Request::PROTOCOL,
            executable: recipe.executable.clone(),
            resumed_from: Vec::new(),
            config: recipe.config.clone(),
            files: recipe.files.clone(),
            inputs: recipe.inputs.clone(),
            outputs: Vec::new(),
            seconds: 0.0,
        };
        assert_eq!(recipe.differences(&manifest), []);
        type Change = fn(&mut Recipe);
        let changes: [(Change, &str); 5] = [
            (|recipe| recipe.executable = "other".to_owned(), "executable changed"),
            (|recipe| recipe.config = json!({ "seed": 2 }), "config changed (seed: 1 → 2)"),
            (|recipe| drop(recipe.files.insert("a.csv".to_owned(), "other".to_owned())), "file changed (a.csv)"),
            (|recipe| drop(recipe.inputs.insert(Slot::Clean, "other".to_owned())), "input changed (clean)"),
            (|recipe| recipe.inputs.clear(), "input changed (clean)"),
        ];
        for (change, reason) in changes {
            let mut changed = recipe.clone();
            change(&mut changed);
            assert_eq!(explain(&changed.differences(&manifest)), reason);
        }
        // A removed file cannot be read again, but the result made from it is still valid.
        let mut gone = recipe.clone();
        gone.files.clear();
        assert_eq!(gone.differences(&manifest), []);
    }
}
