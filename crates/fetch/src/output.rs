//! Copies of what was found, and the checks that need to see them.

use std::fs;
use std::io::Read;
use std::path::Path;

use firebrand_pipeline::{Error, Result, StageIo};
use serde::Serialize;

use crate::cache::create_dir;
use crate::config::Source;
use crate::digest;
use crate::downloads::Record;
use crate::source::{Found, Role};
use crate::tree::{Picked, nearest};

/// `source.json`: where everything came from. It holds no times and no paths of this machine: same sources, same bytes.
#[derive(Debug, Serialize)]
pub(crate) struct Origins {
    pub(crate) data: Origin,
    pub(crate) model: Origin,
}

/// Where one source's files came from.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    /// The source as configured.
    source: Source,
    /// The archives and files that were downloaded for it.
    downloads: Vec<Record>,
    /// The commit of a hub's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// What was taken.
    files: Vec<Copied>,
}

#[derive(Debug, Serialize)]
struct Copied {
    path: String,
    bytes: u64,
    sha256: String,
}

/// Copies the files into the role's output directory.
///
/// Copies, not links: a later stage, or a user, that edits an output must not change the cache for every other run.
pub(crate) fn write(source: &Source, found: Found, role: Role, io: &StageIo) -> Result<Origin> {
    let dir = io.output_dir(role.output())?;
    let progress = io.progress(&format!("copy {}", role.output()), found.files.len() as u64);
    let mut files = Vec::with_capacity(found.files.len());
    for picked in found.files {
        let to = dir.join(&picked.to);
        files.push(copy(&picked, &to, role)?);
        progress.inc(1);
    }
    progress.finish();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    match role {
        Role::Data if files.is_empty() => return Err(Error::data("`data` has no files in it").hint("check the source")),
        Role::Data => {}
        Role::Model => check_model(&dir, &files)?,
    }
    let bytes = files.iter().map(|file| file.bytes).sum();
    let count = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    io.log(format!("{}/ has {count}, {}", role.output(), crate::unpacked::mib(bytes)));
    Ok(Origin { source: source.clone(), downloads: found.downloads, commit: found.commit, files })
}

fn copy(picked: &Picked, to: &Path, role: Role) -> Result<Copied> {
    if let Some(parent) = to.parent() {
        create_dir(parent)?;
    }
    if to.exists() {
        return Err(Error::data(format!("`{}` names two files that would both be {}", role.key(), picked.to))
            .hint("pick one of the packages, or one folder of them with `inside`"));
    }
    let mut from = fs::File::open(&picked.from).map_err(|error| Error::io("read", &picked.from, &error))?;
    let mut start = [0; 40];
    let filled = from.read(&mut start).map_err(|error| Error::io("read", &picked.from, &error))?;
    if start[..filled].starts_with(b"version https://git-lfs") {
        return Err(Error::data(format!("{} is not the file itself but a Git LFS pointer to it", picked.to))
            .hint("run `git lfs pull` where it was cloned, or fetch it from the hub with `hub = …`"));
    }
    drop(from);
    let bytes = fs::copy(&picked.from, to).map_err(|error| Error::io("copy", &picked.from, &error))?;
    // Of the copy, so that what is noted is what is there.
    Ok(Copied { path: picked.to.clone(), bytes, sha256: digest::of_file(to)? })
}

/// A model is a configuration and weights; the family behind them is the `train` stage's business.
fn check_model(dir: &Path, files: &[Copied]) -> Result<()> {
    let has = |name: &str| files.iter().any(|file| file.path == name);
    let names = || files.iter().map(|file| file.path.as_str());
    let whole = ["model.safetensors", "pytorch_model.bin"];
    let index = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];
    let config = has("config.json");
    let weights = whole.iter().chain(&index).any(|name| has(name));
    if !config || !weights {
        let missing = match (config, weights) {
            (false, false) => "neither config.json nor weights",
            (false, true) => "no config.json",
            _ => "no weights (model.safetensors or pytorch_model.bin)",
        };
        let error = Error::data(format!("`model` is not a model's directory: it has {missing}"))
            .hint(nearest("config.json", names()));
        let folder = names().filter_map(|name| name.strip_suffix("/config.json")).min_by_key(|folder| folder.len());
        return Err(match folder {
            Some(folder) => error.hint(format!("the model may be further inside: set model.inside = \"{folder}\"")),
            None => error,
        });
    }
    let text: serde_json::Value = firebrand_pipeline::read_json(&dir.join("config.json"))?;
    if !text.is_object() {
        return Err(Error::data("the model's config.json is not a JSON object").hint("is it a model of the hub?"));
    }
    match index.into_iter().find(|name| has(name)) {
        Some(index) if !whole.iter().any(|name| has(name)) => check_shards(dir, index, has),
        _ => Ok(()),
    }
}

fn check_shards(dir: &Path, index: &str, has: impl Fn(&str) -> bool) -> Result<()> {
    let value: serde_json::Value = firebrand_pipeline::read_json(&dir.join(index))?;
    let shards = value.get("weight_map").and_then(serde_json::Value::as_object);
    let shards = shards.ok_or_else(|| Error::data(format!("the model's {index} has no `weight_map`")))?;
    match shards.values().filter_map(serde_json::Value::as_str).find(|shard| !has(shard)) {
        Some(missing) => Err(Error::data(format!("the model's {index} names {missing}, which is not there"))
            .hint("a shard is missing: fetch the model again, or add it to `files`")),
        None => Ok(()),
    }
}
