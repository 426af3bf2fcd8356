//! Copies of what was found, and the checks that need to see them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use firebrand_pipeline::{Error, Result, StageIo, closest_first};
use serde::Serialize;

use crate::cache::create_dir;
use crate::config::Source;
use crate::digest;
use crate::downloads::Record;
use crate::source::{Found, Role};
use crate::tree::Picked;

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
    match role {
        Role::Data if found.files.is_empty() => {
            return Err(Error::data("`data` has no files in it").hint("check what the source holds"));
        }
        Role::Data => {}
        Role::Model => check_model(&found.files)?,
    }
    // Two packages may hold the same path.
    let mut names = BTreeSet::new();
    if let Some(twice) = found.files.iter().find(|file| !names.insert(&file.to)) {
        return Err(Error::data(format!("`{}` names two files that would both be {}", role.key(), twice.to))
            .hint("pick one of the packages, or one folder of them with `inside`"));
    }
    let dir = io.output(role.output());
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|error| Error::io("empty", &dir, &error))?;
    }
    create_dir(&dir)?;
    let progress = io.progress(&format!("copy {}", role.output()), found.files.len() as u64);
    let mut files = Vec::with_capacity(found.files.len());
    for picked in found.files {
        let to = dir.join(&picked.to);
        files.push(copy(&picked, &to)?);
        progress.inc(1);
    }
    progress.finish();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = files.iter().map(|file| file.bytes).sum();
    let count = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    io.log(format!("{}/ has {count}, {}", role.output(), crate::unpacked::size(bytes)));
    Ok(Origin { source: source.clone(), downloads: found.downloads, commit: found.commit, files })
}

fn copy(picked: &Picked, to: &Path) -> Result<Copied> {
    if let Some(parent) = to.parent() {
        create_dir(parent)?;
    }
    refuse_pointer(picked)?;
    let bytes = fs::copy(&picked.from, to).map_err(|error| Error::io("copy", &picked.from, &error))?;
    // Of the copy, so that what is noted is what is there.
    Ok(Copied { path: picked.to.clone(), bytes, sha256: digest::of_file(to)? })
}

/// A clone without Git LFS has, in the place of each large file, a few lines that name it.
fn refuse_pointer(picked: &Picked) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("read", &picked.from, &error);
    let mut start = Vec::new();
    fs::File::open(&picked.from).map_err(failed)?.take(64).read_to_end(&mut start).map_err(failed)?;
    if start.starts_with(b"version https://git-lfs") {
        return Err(Error::data(format!("{} is not the file itself but a Git LFS pointer to it", picked.to))
            .hint("run `git lfs pull` where it was cloned, or fetch it from the hub with `hub = …`"));
    }
    Ok(())
}

/// A model is a configuration and weights; which family it is of is the `train` stage's business.
fn check_model(files: &[Picked]) -> Result<()> {
    let find = |name: &str| files.iter().find(|file| file.to == name);
    let has = |name: &str| find(name).is_some();
    let names = || files.iter().map(|file| file.to.as_str());
    let whole = ["model.safetensors", "pytorch_model.bin"].into_iter().any(has);
    let index = ["model.safetensors.index.json", "pytorch_model.bin.index.json"].into_iter().find_map(find);
    let missing = match (find("config.json"), whole || index.is_some()) {
        (Some(config), true) => {
            check_config(&config.from)?;
            return if whole { Ok(()) } else { index.map_or(Ok(()), |index| check_shards(&index.from, has)) };
        }
        (None, false) => "neither config.json nor weights (model.safetensors or pytorch_model.bin)",
        (None, true) => "no config.json",
        (Some(_), false) => "no weights (model.safetensors or pytorch_model.bin)",
    };
    let error = Error::data(format!("`model` is not a model's directory: it has {missing}"))
        .hint(closest_first("config.json", names()));
    let folder = names().filter_map(|name| name.strip_suffix("/config.json")).min_by_key(|folder| folder.len());
    Err(match folder {
        Some(folder) => error.hint(format!("the model may be further inside: set model.inside = \"{folder}\"")),
        None => error,
    })
}

fn check_config(path: &Path) -> Result<()> {
    let config: serde_json::Value = firebrand_pipeline::read_json(path)?;
    if config.is_object() {
        return Ok(());
    }
    Err(Error::data("the model's config.json is not a JSON object").hint("is it a model in the hub's layout?"))
}

fn check_shards(path: &Path, has: impl Fn(&str) -> bool) -> Result<()> {
    let index: serde_json::Value = firebrand_pipeline::read_json(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let shards = index.get("weight_map").and_then(serde_json::Value::as_object);
    let shards = shards.ok_or_else(|| Error::data(format!("the model's {name} has no `weight_map`")))?;
    match shards.values().filter_map(serde_json::Value::as_str).find(|shard| !has(shard)) {
        Some(missing) => Err(Error::data(format!("the model's {name} names {missing}, which is not there"))
            .hint("a shard is missing: fetch the model again, or add it to `files`")),
        None => Ok(()),
    }
}
