//! Finds the wanted files of a configured source, and fetches them if needed.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Glob, Result, StageIo, closest_first, read_json};

use crate::archive::{Format, Limits};
use crate::cache::Cache;
use crate::config::Source;
use crate::downloads::{Downloads, Record, Wanted, differs, file_name};
use crate::http::Http;
use crate::hub::{self, Environment, Hub, Repositories, Snapshot, expand_home};
use crate::model_dir::{self, Asker, Place, SentenceModel};
use crate::packages::Client;
use crate::tree::{Picked, Tree};
use crate::validate::{Kind, kind};
use crate::{digest, unpacked};

/// Everything that the stage needs to fetch a source.
#[derive(Debug)]
pub(crate) struct Means<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) http: &'a Http,
    pub(crate) environment: &'a Environment,
    pub(crate) limits: Limits,
    pub(crate) io: &'a StageIo,
}

/// The files of a source, and where they came from.
#[derive(Debug)]
pub(crate) struct Found {
    /// The files to copy.
    pub(crate) files: Vec<Picked>,
    /// What was downloaded for them.
    pub(crate) downloads: Vec<Record>,
    /// The commit of a repository of the hub.
    pub(crate) commit: Option<String>,
}

/// The files, and what was downloaded for them.
type Fetched = (Tree, Vec<Record>);

/// The two sources of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Data,
    Model,
}

impl Role {
    /// The key in `[fetch]`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Model => "model",
        }
    }

    /// Its output directory.
    pub(crate) const fn output(self) -> &'static str {
        match self {
            Self::Data => "raw",
            Self::Model => "pretrained",
        }
    }
}

/// Finds the files of a source, and fetches what is missing.
pub(crate) fn find(source: &Source, role: Role, means: &Means<'_>) -> Result<Found> {
    let key = role.key();
    let patterns = |name: &str, texts: &[String]| -> Result<Vec<Glob>> {
        let compile = |text: &String| Glob::new(text).map_err(|problem| Error::key(&format!("{key}.{name}"), problem));
        texts.iter().map(compile).collect()
    };
    let files = patterns("files", &source.files)?;
    let join = patterns("join", source.join.as_slice())?.pop();
    let inside = patterns("inside", source.inside.as_slice())?.pop();
    let picks = join.is_some() || inside.is_some();

    let mut snapshot = None;
    let (mut tree, downloads) = match kind(source, key)? {
        Kind::Path(path) => (local(path, source, key, picks, means)?, Vec::new()),
        Kind::Url(url) => means.url(url, source, key, picks)?,
        Kind::Packages(client, names) => means.packages(client, names, source, key)?,
        Kind::Hub { repository, revision } => {
            let kind = match role {
                Role::Data => Repositories::Datasets,
                Role::Model => Repositories::Models,
            };
            let hub = Hub { environment: means.environment, http: means.http, cache: means.cache, io: means.io };
            let opened = snapshot.insert(hub.snapshot(hub::Wanted { kind, repository, revision })?);
            if !hub::is_commit(revision) {
                means.io.log(format!("`{key}.revision` is not pinned: {repository} is at {} today", opened.commit()));
            }
            // Which files a model needs is decided below, and only those are brought.
            let all = role == Role::Model && files.is_empty() && join.is_none();
            (if all { opened.tree() } else { opened.matching(&files)? }, Vec::new())
        }
    };
    if let Some(pattern) = &join {
        tree = unpacked::joined(&tree, pattern, key, means.cache, means.limits, means.io)?;
    }
    let mut picked = match &inside {
        Some(pattern) => tree.inside(pattern, key)?,
        None => tree.files,
    };
    // The hub was asked for these files only; elsewhere they are picked now.
    if !files.is_empty() && snapshot.is_none() {
        let names: Vec<_> = picked.iter().map(|file| file.to.clone()).collect();
        picked.retain(|file| files.iter().any(|pattern| pattern.matches(&file.to)));
        if picked.is_empty() {
            return Err(Error::data(format!("`{key}.files` = {:?} match nothing in the source", source.files))
                .hint(closest_first(&source.files[0], names.iter().map(String::as_str))));
        }
    }
    if role == Role::Model {
        picked = model(picked, files.is_empty(), snapshot.as_ref().filter(|_| join.is_none()), means.io)?;
    }
    Ok(Found { files: picked, downloads, commit: snapshot.map(|snapshot| snapshot.commit().to_owned()) })
}

/// The files of the model among those that were picked; with `choose`, only what a model needs. Those of a hub's snapshot are
/// brought here first.
fn model(picked: Vec<Picked>, choose: bool, snapshot: Option<&Snapshot<'_>>, io: &StageIo) -> Result<Vec<Picked>> {
    let bring = |files: &[Picked]| snapshot.map_or(Ok(()), |snapshot| snapshot.bring(files));
    let find = |name: &str| picked.iter().find(|file| file.to == name);
    let read = |name: &str| {
        let file = find(name).ok_or_else(|| Error::data(format!("the model has no {name}")))?;
        bring(std::slice::from_ref(file))?;
        read_json(&file.from)
    };
    let names = picked.iter().map(|file| file.to.clone()).collect();
    let place = Place { asker: Asker::Stage, names, read: &read };
    if !choose {
        model_dir::check(&place)?;
        return Ok(picked);
    }
    let choice = model_dir::choose(&place)?;
    if let Some(note) = choice.sentence.as_ref().and_then(SentenceModel::note) {
        io.log(format!("`model` is {note}"));
    }
    let renamed = |(path, to): (String, String)| Some(Picked { from: find(&path)?.from.clone(), to });
    let files: Vec<_> = choice.files.into_iter().filter_map(renamed).collect();
    bring(&files)?;
    Ok(files)
}

/// The path of a local source, or an error that names the most similar sibling.
pub(crate) fn local_path(path: &str, key: &str, workspace: &Path) -> Result<PathBuf> {
    let full = workspace.join(expand_home(path.trim(), std::env::home_dir().as_deref()));
    if full.exists() {
        return Ok(full);
    }
    let error = Error::data(format!("`{key}.path` = \"{path}\" is not there ({} is missing)", full.display()));
    // The deepest existing folder tells where the path is wrong.
    let Some((above, missing)) = full.ancestors().zip(full.ancestors().skip(1)).find_map(|(missing, above)| {
        above.is_dir().then(|| (above, missing.file_name().unwrap_or_default().to_string_lossy().into_owned()))
    }) else {
        return Err(error);
    };
    let siblings: Vec<String> = std::fs::read_dir(above)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let visible = siblings.iter().map(String::as_str).filter(|name| !name.starts_with('.'));
    Err(error
        .hint(format!("in {}, {}", above.display(), closest_first(&missing, visible)))
        .hint("relative paths start from the root of the workspace"))
}

fn local(path: &str, source: &Source, key: &str, picks: bool, means: &Means<'_>) -> Result<Tree> {
    let full = local_path(path, key, means.io.workspace())?;
    if full.is_dir() {
        if !source.sha256.is_empty() {
            return Err(Error::key(&format!("{key}.sha256"), "applies to a file, but the path is a folder"));
        }
        let inside = |path: &Path| {
            path.canonicalize().is_ok_and(|path| full.canonicalize().is_ok_and(|full| path.starts_with(full)))
        };
        if inside(&means.io.output("")) || inside(means.io.cache()) {
            return Err(Error::key(&format!("{key}.path"), format!("= \"{path}\" holds this run's own directories"))
                .hint("name a folder that holds nothing but the source"));
        }
        return Tree::walk(&full);
    }
    if !full.is_file() {
        return Err(Error::data(format!("`{key}.path` = \"{path}\" is neither a file nor a directory"))
            .hint("pipes and devices are no data: write it to a file first"));
    }
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let archive = picks && source.join.is_none() || Format::of_name(&name).is_some();
    let hash = if archive || !source.sha256.is_empty() { Some(digest::of_file(&full)?) } else { None };
    if let (Some(pinned), Some(found)) = (source.sha256.first(), &hash)
        && !pinned.eq_ignore_ascii_case(found)
    {
        return Err(differs(path, pinned, found));
    }
    match hash {
        Some(hash) if archive => unpacked::one(&full, &hash, &name, means.cache, means.limits, means.io),
        _ => Ok(Tree::file(full, name)),
    }
}

impl Means<'_> {
    fn url(&self, url: &str, source: &Source, key: &str, picks: bool) -> Result<Fetched> {
        let pinned = source.sha256.first().map(String::as_str);
        let (tree, record) = if picks || Format::of_name(&file_name(url)).is_some() {
            self.downloads().archive(Wanted::Url(url), pinned)?
        } else {
            let (path, record) = self.downloads().file(Wanted::Url(url), pinned)?;
            (Tree::file(path, record.file.clone()), record)
        };
        let records = vec![record];
        self.warn_unpinned(source, key, &records);
        Ok((tree, records))
    }

    fn packages(&self, client: Client, names: &[String], source: &Source, key: &str) -> Result<Fetched> {
        let (mut tree, mut records) = (Tree::default(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let pinned = source.sha256.get(index).map(String::as_str);
            let (package, record) = self.downloads().archive(Wanted::Package(client, name), pinned)?;
            tree.files.extend(package.files);
            records.push(record);
        }
        self.warn_unpinned(source, key, &records);
        Ok((tree, records))
    }

    fn downloads(&self) -> Downloads<'_> {
        Downloads { cache: self.cache, http: self.http, limits: self.limits, io: self.io }
    }

    /// Logs the hashes of what is not pinned, as a line for the configuration.
    fn warn_unpinned(&self, source: &Source, key: &str, records: &[Record]) {
        if source.sha256.is_empty() {
            let hashes: Vec<_> = records.iter().map(|record| format!("\"{}\"", record.sha256)).collect();
            let value = if let [one] = hashes.as_slice() { one.clone() } else { format!("[{}]", hashes.join(", ")) };
            self.io.warn(format!("`{key}` is not pinned; to pin what was found, add: sha256 = {value}"));
        }
    }
}
