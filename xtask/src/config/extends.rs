//! `extends = "other.toml"`: a configuration file that builds on another one.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};
use toml::{Table, Value};

use super::layer::Layer;
use crate::workspace::Workspace;

/// The key, above every section of a file.
pub(crate) const EXTENDS: &str = "extends";

/// The layers of a file and of those that it extends, the base first.
///
/// `run.name` is not inherited: runs of two files would overwrite each other.
///
/// # Errors
/// A config error with file and line: a file that cannot be read or parsed, or that extends itself.
pub(crate) fn layers(path: &Path, workspace: &Workspace) -> Result<Vec<Layer>> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut next = Some((path.to_owned(), None));
    while let Some((path, named)) = next {
        let shown = workspace.show(&path);
        let text =
            std::fs::read_to_string(&path).map_err(|error| unreadable(&shown, named.as_deref(), &error, workspace))?;
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            let place = named.unwrap_or_default();
            return Err(Error::config(format!("{place}: `{EXTENDS}` leads back to {shown}"))
                .hint("a file cannot extend itself, whatever lies between: remove one of the lines"));
        }
        seen.push(real);
        let mut layer = Layer::of_file(&text, &shown)?;
        next = extended(&mut layer, &path)?.map(|base| (base, Some(layer.place(EXTENDS).to_owned())));
        if !layers.is_empty()
            && let Some(Value::Table(run)) = layer.table.get_mut("run")
        {
            run.remove("name");
        }
        layers.push(layer);
    }
    layers.reverse();
    Ok(layers)
}

/// The file that a layer extends. Its path is relative to the file that names it.
fn extended(layer: &mut Layer, path: &Path) -> Result<Option<PathBuf>> {
    match take(&mut layer.table) {
        None => Ok(None),
        Some(Value::String(base)) if !base.is_empty() => Ok(Some(tidy(&path.with_file_name(base)))),
        Some(_) => Err(Error::config(format!("{}: `{EXTENDS}` is not a path", layer.place(EXTENDS)))
            .hint(format!("for example `{EXTENDS} = \"base.toml\"`, above all sections"))),
    }
}

fn take(table: &mut Table) -> Option<Value> {
    // A table of that name is an unknown section.
    table.get(EXTENDS).is_some_and(|value| !value.is_table()).then(|| table.remove(EXTENDS)).flatten()
}

/// `configs/models/../a.toml` as `configs/a.toml`, for messages, unless `models` is a link.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        let back = part == std::path::Component::ParentDir && tidied.file_name().is_some() && !tidied.is_symlink();
        if back {
            tidied.pop();
        } else {
            tidied.push(part);
        }
    }
    tidied
}

fn unreadable(shown: &str, named: Option<&str>, error: &std::io::Error, workspace: &Workspace) -> Error {
    match named {
        Some(place) => Error::config(format!("{place}: `{EXTENDS}` names {shown}, which cannot be read"))
            .caused_by(error)
            .hint("the path starts from the directory of the file that it stands in"),
        None => Error::config(format!("cannot read the configuration {shown}")).caused_by(error).hint(format!(
            "paths start from where you are or from {}; `configs/` has examples",
            workspace.root().display()
        )),
    }
}
