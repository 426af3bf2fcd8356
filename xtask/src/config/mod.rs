//! The configuration of a run. In order of precedence: `--set`, the user's file, the files that it extends, the embedded
//! defaults.

mod check;
mod extends;
mod layer;
mod set;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, ResultExt, Slot, config::DEFAULTS};
use toml::{Table, Value};

use crate::workspace::Workspace;
use layer::Layer;

/// The configuration of a run.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file's path for messages.
    pub(crate) file: String,
    /// The run's name.
    pub(crate) run: String,
    /// The directory that holds runs and the cache, absolute.
    pub(crate) dir: PathBuf,
    sections: BTreeMap<Slot, Section>,
}

/// The configuration of one slot.
#[derive(Debug)]
pub(crate) struct Section {
    /// What fills the slot.
    pub(crate) filler: Filler,
    /// Files and globs that a command reads and that its freshness depends on.
    pub(crate) watch: Vec<String>,
    /// The resolved keys, defaults included.
    pub(crate) values: serde_json::Value,
    /// Where each key was set, except defaults: `learning_rate` → `configs/my.toml:12`.
    pub(crate) origins: BTreeMap<String, String>,
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filler {
    /// A package of the workspace.
    Package(String),
    /// A command line.
    Command(Vec<String>),
}

impl Config {
    /// Loads the file and applies the `--set`s.
    ///
    /// # Errors
    /// A config error with the file and line: no such file, not TOML, an unknown section or key, a wrong type.
    pub(crate) fn load(file: &Path, sets: &[String], workspace: &Workspace) -> Result<Self> {
        let path = workspace.resolve(file);
        let shown = workspace.show(&path);
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut layers = extends::layers(&path, workspace)?;
        for argument in sets {
            layers.push(set::parse(argument)?);
        }
        Self::merge(shown, &stem, layers, workspace)
    }

    fn merge(file: String, stem: &str, layers: Vec<Layer>, workspace: &Workspace) -> Result<Self> {
        let defaults: Table = DEFAULTS.parse().or_other(|| "the embedded defaults are not valid TOML".to_owned())?;
        let custom = check::custom_slots(&layers)?;
        let mut merged = defaults.clone();
        let mut places = BTreeMap::new();
        for mut layer in layers {
            check::layer(&mut layer, &defaults, &custom)?;
            layer.lay_over(&mut merged, &mut places);
        }
        let (run, dir) = run_section(&merged, stem, &places, &file)?;
        let mut sections = BTreeMap::new();
        for slot in Slot::ALL {
            sections.insert(slot, Section::resolve(slot, &mut merged, &places)?);
        }
        Ok(Self { file, run, dir: workspace.root().join(dir), sections })
    }

    /// The configuration of a slot.
    pub(crate) fn section(&self, slot: Slot) -> &Section {
        &self.sections[&slot]
    }

    /// The directory of this run.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.join("runs").join(&self.run)
    }

    /// The cache that all runs share.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.dir.join("cache")
    }
}

impl Section {
    fn resolve(slot: Slot, merged: &mut Table, places: &BTreeMap<String, String>) -> Result<Self> {
        let Some(Value::Table(mut table)) = merged.remove(slot.name()) else {
            return Err(Error::other(format!("the embedded defaults have no section [{slot}]")));
        };
        let strings = |values: &[Value]| values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        let watch: Vec<String> = match table.remove("watch") {
            Some(Value::Array(paths)) => strings(&paths),
            _ => Vec::new(),
        };
        let filler = match (table.remove("package"), table.remove("command")) {
            (_, Some(Value::Array(words))) => Filler::Command(strings(&words)),
            (Some(Value::String(package)), _) => Filler::Package(package),
            _ => Filler::Package(slot.default_package()),
        };
        if !watch.is_empty() && matches!(filler, Filler::Package(_)) {
            let place = places.get(&format!("{slot}.watch")).map_or("", String::as_str);
            return Err(Error::config(format!("{place}: `{slot}.watch` belongs to a `command`"))
                .hint("of a package, every source file is watched"));
        }
        let values = serde_json::to_value(&table).or_other(|| format!("[{slot}] has no JSON form"))?;
        let prefix = format!("{slot}.");
        let origins = places
            .iter()
            .filter_map(|(key, place)| Some((key.strip_prefix(&prefix)?.to_owned(), place.clone())))
            .collect();
        Ok(Self { filler, watch, values, origins })
    }
}

/// The run's name and directory.
fn run_section(merged: &Table, stem: &str, places: &BTreeMap<String, String>, file: &str) -> Result<(String, String)> {
    let text = |key: &str| {
        let value = merged.get("run").and_then(|run| run.get(key)).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let (name, place) = match text("name") {
        name if name.is_empty() => (stem.to_owned(), file),
        name => (name, places.get("run.name").map_or(file, String::as_str)),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with(['.', '-']) || name.len() > 100 || !name.chars().all(plain) {
        return Err(Error::config(format!("{place}: the run's name {name:?} cannot be a directory's name"))
            .hint("set `run.name` to letters, digits, `-`, `_` and `.`, starting with a letter or digit"));
    }
    let dir = text("dir");
    if dir.is_empty() {
        let place = places.get("run.dir").map_or(file, String::as_str);
        return Err(Error::config(format!("{place}: `run.dir` is empty")).hint("the default is \"data\""));
    }
    Ok((name, dir))
}
