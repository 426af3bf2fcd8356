//! Unpacked archives in the cache, by the hash of the archive.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Glob, Result, StageIo, closest_first, read_json};

use crate::archive::{self, Limits, Parts, Unpacked, by_name};
use crate::cache::Cache;
use crate::digest;
use crate::tree::Tree;

/// Version of the unpacking code: entries of another version are not used.
const VERSION: &str = "v1";

/// The unpacked contents of the archive at `path`, which has the given hash. `name` is for messages.
pub(crate) fn one(path: &Path, sha256: &str, name: &str, cache: &Cache, limits: Limits, io: &StageIo) -> Result<Tree> {
    parts(&[path.to_owned()], sha256, name, cache, limits, io)
}

/// The unpacked contents of the archive with this hash, if they are in the cache.
pub(crate) fn find(sha256: &str, cache: &Cache) -> Option<Tree> {
    let entry = cache.entry("unpacked", &key(sha256));
    let listing: Vec<Unpacked> = read_json(&entry.join("listing.json")).ok()?;
    let dir = entry.join("files");
    let whole =
        listing.iter().all(|file| fs::metadata(dir.join(&file.path)).is_ok_and(|data| data.len() == file.bytes));
    whole.then(|| Tree::below(&dir, listing.into_iter().map(|file| file.path)))
}

/// Joins the files that match the glob, in natural order of their names, and unpacks the result.
pub(crate) fn joined(
    tree: &Tree,
    pattern: &Glob,
    key: &str,
    cache: &Cache,
    limits: Limits,
    io: &StageIo,
) -> Result<Tree> {
    let mut found: Vec<_> = tree.files.iter().filter(|file| pattern.matches(&file.to)).collect();
    if found.is_empty() {
        return Err(Error::data(format!("`{key}.join` = \"{}\" matches no file of the source", pattern.as_str()))
            .hint(closest_first(pattern.as_str(), tree.paths())));
    }
    // By file name: each part may be in a folder of its own.
    let own = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    found.sort_by(|a, b| by_name(&own(&a.to), &own(&b.to)).then_with(|| by_name(&a.to, &b.to)));
    let names: Vec<_> = found.iter().map(|file| own(&file.to)).collect();
    let paths: Vec<_> = found.iter().map(|file| file.from.clone()).collect();
    let name = format!("the archive joined from {}", names.join(" + "));
    let open = |paths: &[PathBuf]| {
        Parts::open(paths).map_err(|error| Error::data(format!("cannot read {name}")).caused_by(&error))
    };
    io.log(format!("joining {} parts, {}", paths.len(), size(open(&paths)?.length())));
    let sha256 = digest::of_reader(&mut open(&paths)?)
        .map_err(|error| Error::data(format!("cannot read {name}")).caused_by(&error))?;
    parts(&paths, &sha256, &name, cache, limits, io)
}

fn key(sha256: &str) -> String {
    format!("{VERSION}-{sha256}")
}

fn parts(paths: &[PathBuf], sha256: &str, name: &str, cache: &Cache, limits: Limits, io: &StageIo) -> Result<Tree> {
    if let Some(tree) = find(sha256, cache) {
        return Ok(tree);
    }
    let key = key(sha256);
    let lock = cache.lock(&key, name, io)?;
    // Another process may have unpacked it meanwhile.
    if let Some(tree) = find(sha256, cache) {
        return Ok(tree);
    }
    cache.discard(&lock, "unpacked", &key)?;
    let made = cache.temporary(&lock)?;
    let dir = made.dir("files")?;
    let reader = Parts::open(paths).map_err(|error| Error::data(format!("cannot read {name}")).caused_by(&error))?;
    io.log(format!("unpacking {name}, {}", size(reader.length())));
    let listing = archive::unpack(reader, name, &dir, limits)?;
    let text = serde_json::to_string(&listing).unwrap_or_default();
    let path = made.path().join("listing.json");
    fs::write(&path, text).map_err(|error| Error::io("write", &path, &error))?;
    let entry = cache.commit(made, "unpacked", &key)?;
    Ok(Tree::below(&entry.join("files"), listing.into_iter().map(|file| file.path)))
}

/// A human-readable size, e.g. "1.3 MiB".
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let bytes = bytes as f64;
    if bytes < 1024.0 {
        format!("{bytes} bytes")
    } else if bytes < 1024.0 * 1024.0 {
        format!("{:.1} KiB", bytes / 1024.0)
    } else {
        format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
    }
}
