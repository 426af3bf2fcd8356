//! Which of the fetched files hold the data, and what each of them is.

mod descriptions;
mod folders;
mod globs;

use std::path::{Path, PathBuf};

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Hidden, Result, files_below, suggest};
use firebrand_tables::Kind;
use firebrand_tables::wording::listed;

pub(crate) use folders::parent;
pub(crate) use globs::Globs;

use crate::settings::Settings;

/// One file to read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    /// Its path inside the fetched data, with slashes.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it is compressed with gzip.
    pub(crate) compressed: bool,
    /// The part that its rows belong to, when parts are given.
    pub(crate) part: Option<Part>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The files to read, by name.
    pub(crate) files: Vec<SourceFile>,
    /// Files that are not data.
    pub(crate) ignored: Vec<String>,
    /// What the user should know about the choice, each with the file that it is about.
    pub(crate) warnings: Vec<(String, String)>,
}

/// Finds the files below `raw`.
pub(crate) fn find(raw: &Path, settings: &Settings) -> Result<Found> {
    let names = files_below(raw, Hidden::Skip)?;
    if names.is_empty() {
        return Err(Error::data(format!("the fetched data has no files in it ({} is empty)", raw.display()))
            .hint("check what the source below [fetch.data] holds"));
    }
    check_globs(&names, settings)?;
    let mut chosen = Vec::new();
    let mut rest = Vec::new();
    for name in &names {
        match given_part(name, settings)? {
            Some(part) => chosen.push((name.as_str(), part)),
            None => rest.push(name.as_str()),
        }
    }
    let mut ignored = Vec::new();
    let mut warnings = Vec::new();
    if settings.train_files.is_empty() {
        let (data, described) = without_descriptions(&rest);
        check_mixture(&data, &names)?;
        warnings.extend(unnamed_test_file(&data, settings));
        chosen.extend(data.into_iter().map(|name| (name, Part::Train)));
        ignored = described;
    }
    chosen.sort_unstable_by_key(|(name, _)| *name);
    // Rows of training files have a part of their own only where nothing is left to split off.
    let whole = !settings.validation_files.is_empty() && !settings.test_files.is_empty();
    let files = chosen.into_iter().map(|(name, part)| {
        let (kind, compressed) = Kind::of(name);
        let part = (part != Part::Train || whole).then_some(part);
        SourceFile { path: raw.join(name), name: name.to_owned(), kind, compressed, part }
    });
    Ok(Found { files: files.collect(), ignored: ignored.into_iter().map(str::to_owned).collect(), warnings })
}

fn check_globs(names: &[String], settings: &Settings) -> Result<()> {
    for (globs, _) in settings.globs() {
        if let Some(glob) = globs.idle(names.iter().map(String::as_str)) {
            let error = Error::data(format!(
                "`{}` = \"{glob}\" matches none of the fetched files: {}",
                globs.key(),
                listed(names.iter().map(String::as_str))
            ));
            return Err(match suggest(glob, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error.hint("paths start inside the fetched data; `*` stops at a slash, `**` does not"),
            });
        }
    }
    Ok(())
}

/// The part whose globs match the file.
fn given_part(name: &str, settings: &Settings) -> Result<Option<Part>> {
    let mut hits = settings.globs().into_iter().filter(|(globs, _)| globs.matches(name));
    let Some((globs, part)) = hits.next() else { return Ok(None) };
    match hits.next() {
        None => Ok(Some(part)),
        Some((other, _)) => Err(Error::data(format!("`{}` and `{}` both match {name}", globs.key(), other.key()))
            .hint("a row belongs to one part: make the globs narrower")),
    }
}

fn without_descriptions<'a>(names: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (described, data): (Vec<_>, Vec<_>) = names.iter().partition(|name| descriptions::is_description(name));
    // Where nothing else is there, they may be the data after all.
    if data.is_empty() { (described, data) } else { (data, described) }
}

/// Data of several kinds beside each other may be the same rows twice.
fn check_mixture(data: &[&str], all: &[String]) -> Result<()> {
    if data.is_empty() {
        return Err(Error::data(format!(
            "no training files are left beside the validation and test files: {}",
            listed(all.iter().map(String::as_str))
        ))
        .hint("make `validation_files` and `test_files` narrower"));
    }
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    for name in data {
        let kind = Kind::of(name).0.name();
        if !kinds.iter().any(|(known, _)| *known == kind) {
            kinds.push((kind, name));
        }
    }
    match kinds.as_slice() {
        [(kind, _)] if *kind == Kind::Document.name() => folders::check(data),
        [_] => Ok(()),
        _ => {
            let seen: Vec<_> = kinds.iter().map(|(kind, name)| format!("{kind} ({name})")).collect();
            Err(Error::data(format!("the fetched data mixes kinds of files: {}", seen.join(", ")))
                .hint("name the files to read below [clean], for example: train_files = [\"*.csv\"]"))
        }
    }
}

/// Says so when a file that looks like a test set would be mixed into the other rows.
fn unnamed_test_file(data: &[&str], settings: &Settings) -> Option<(String, String)> {
    let has =
        |name: &str, word: &str| name.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    let test = data.iter().find(|name| has(name, "test") && Kind::of(name).0 != Kind::Document)?;
    (settings.test_files.is_empty() && data.iter().any(|name| has(name, "train"))).then(|| {
        let warning = format!(
            "{test} looks like a test set but is read like the other files; test_files = [\"{test}\"] keeps it apart"
        );
        ((*test).to_owned(), warning)
    })
}

#[cfg(test)]
mod tests;
