//! What a directory, repository or archive that should hold a model really holds.
//!
//! A checkpoint is `config.json` and weights of torch or safetensors in one folder. A sentence-transformers model has that
//! folder named in its `modules.json`, which is followed. Anything else is refused by its name: an adapter, quantised
//! weights, exports, several models. The same code looks at a directory here and at a repository of which only the names
//! are known yet.

mod refusal;
mod sentence;

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, read_json};
use serde_json::Value;
use walkdir::WalkDir;

pub(crate) use sentence::SentenceModel;

use crate::hub::patterns;

/// Files that weights are in, or that name the files that they are in; the best first.
const WEIGHTS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Who asks for the model: decides what messages call it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asker<'a> {
    /// The stage, for `[fetch] model`.
    Stage,
    /// A program, for this directory.
    Directory(&'a str),
    /// A program, for this repository of the hub.
    Hub(&'a str),
}

/// Everything that is known of a place: the names of its files, and how to read one.
pub(crate) struct Place<'a> {
    pub(crate) asker: Asker<'a>,
    /// Relative paths with `/`.
    pub(crate) names: Vec<String>,
    /// Reads a JSON file, after downloading it where needed.
    pub(crate) read: &'a dyn Fn(&str) -> Result<Value>,
}

/// The files of a model.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Each file's path in the place, and its name in the model's directory.
    pub(crate) files: Vec<(String, String)>,
    /// The sentence-transformers model that it is part of, if any.
    pub(crate) sentence: Option<SentenceModel>,
}

/// Chooses the files of the model in a place: configuration, tokenizer, licence, and the weights in one form.
///
/// # Errors
/// When the place holds no checkpoint; the message says what it holds, the hint what to do.
pub(crate) fn choose(place: &Place<'_>) -> Result<Choice> {
    let sentence = SentenceModel::of(place)?;
    let folder = sentence.as_ref().map(|sentence| sentence.folder.as_str()).unwrap_or_default();
    let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let inner: Vec<&str> = place.names.iter().filter_map(|name| name.strip_prefix(&below)).collect();
    refusal::check(place, &below, &inner)?;
    let chosen = patterns::model(inner.iter().copied());
    let mut files: Vec<_> = chosen.iter().map(|name| (format!("{below}{name}"), (*name).to_owned())).collect();
    if !below.is_empty() {
        // The card and the licence of the whole cover the part.
        let top = place.names.iter().filter(|name| patterns::is_about(name) && !chosen.contains(&name.as_str()));
        files.extend(top.map(|name| (name.clone(), name.clone())));
    }
    Ok(Choice { files, sentence })
}

/// Checks that files that were picked by hand are a checkpoint.
pub(crate) fn check(place: &Place<'_>) -> Result<()> {
    let names: Vec<_> = place.names.iter().map(String::as_str).collect();
    refusal::check(place, "", &names)
}

/// A model's directory on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalModel {
    /// The directory that has `config.json` and the weights: inside the one that was given, for some sentence models.
    pub directory: PathBuf,
    /// What to know of the sentence-transformers model that this is: how it pools, and where its transformer is.
    pub sentence_model: Option<String>,
}

/// Finds the model in a directory.
///
/// # Errors
/// When the directory holds no checkpoint; the message says what it holds, the hint what to do.
pub fn local_model(directory: &Path) -> Result<LocalModel> {
    let shown = directory.display().to_string();
    let read = |name: &str| read_json(&directory.join(name));
    let choice = choose(&Place { asker: Asker::Directory(&shown), names: names(directory), read: &read })?;
    let sentence_model = choice.sentence.as_ref().and_then(SentenceModel::note);
    let directory = match choice.sentence {
        Some(SentenceModel { folder, .. }) if !folder.is_empty() => directory.join(folder),
        _ => directory.to_owned(),
    };
    Ok(LocalModel { directory, sentence_model })
}

/// Files below a directory, by relative path. Unreadable folders count as empty: an error about them would be premature.
fn names(directory: &Path) -> Vec<String> {
    // A repository of several models has them in folders: deeper ones do not matter.
    const DEPTH: usize = 3;
    let entries = WalkDir::new(directory).min_depth(1).max_depth(DEPTH).follow_links(true).sort_by_file_name();
    let files = entries.into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let name = |entry: walkdir::DirEntry| {
        let below = entry.path().strip_prefix(directory).ok()?;
        Some(below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
    };
    files.filter_map(name).collect()
}

/// The text of a value of an untrusted file, if it is short and without control characters.
fn printable(value: &Value) -> Option<&str> {
    const LONGEST: usize = 200;
    value.as_str().filter(|text| (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control))
}

impl Asker<'_> {
    /// What messages call the place.
    fn name(self) -> String {
        match self {
            Self::Stage => "`model`".to_owned(),
            Self::Directory(name) | Self::Hub(name) => name.to_owned(),
        }
    }

    /// An error about the place.
    fn error(self, problem: &str) -> Error {
        Error::data(format!("{} {problem}", self.name()))
    }

    /// A hint on how to ask for the model in a folder of the place.
    fn inside(self, folder: &str) -> String {
        match self {
            Self::Stage => format!("for the one in {folder}, set model.inside = \"{folder}\""),
            Self::Directory(name) => format!("did you mean {}?", Path::new(name).join(folder).display()),
            Self::Hub(name) => {
                format!("for the one in {folder}, set fetch.model = {{ hub = \"{name}\", inside = \"{folder}\" }}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
