//! Copies what was found into the stage's output.

use std::collections::BTreeSet;
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
use crate::tree::Picked;

/// `source.json`: where everything came from. It holds no times and no absolute paths, so the same sources give the same
/// bytes.
#[derive(Debug, Serialize)]
pub(crate) struct Origins {
    pub(crate) data: Origin,
    pub(crate) model: Origin,
}

/// Where a source's files came from.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    /// The source as configured.
    source: Source,
    /// The archives and files that were downloaded.
    downloads: Vec<Record>,
    /// The commit of a repository of the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// The copied files.
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
/// Copies, not links: editing an output must not change the cache for other runs.
pub(crate) fn write(source: &Source, found: Found, role: Role, io: &StageIo) -> Result<Origin> {
    if found.files.is_empty() {
        return Err(Error::data(format!("`{}` has no files in it", role.key())).hint("check what the source holds"));
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
    // The hash of the copy, so that it describes what is there.
    Ok(Copied { path: picked.to.clone(), bytes, sha256: digest::of_file(to)? })
}

/// A clone without Git LFS has a small pointer in place of each large file.
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
