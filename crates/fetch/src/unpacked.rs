//! Archives unpacked once, by the hash of their content.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, StageIo, read_json};

use crate::archive::{self, Limits, Parts, Unpacked, by_name};
use crate::cache::Cache;
use crate::digest;
use crate::glob::Pattern;
use crate::tree::{Root, Tree, nearest};

/// Changes when the same archive would unpack to something else, so that no older entry is taken for it.
const VERSION: &str = "v1";

/// Unpacks the archive at `path`, whose content has the given hash, or finds it unpacked. `name` is for messages.
pub(crate) fn one(path: &Path, sha256: &str, name: &str, cache: &Cache, limits: Limits, io: &StageIo) -> Result<Root> {
    parts(&[path.to_owned()], sha256, name, cache, limits, io)
}

/// Whether the archive with this hash is unpacked already, so that the archive itself is not needed.
pub(crate) fn find(sha256: &str, cache: &Cache) -> Option<Root> {
    let entry = cache.entry("unpacked", &key(sha256));
    let listing: Vec<Unpacked> = read_json(&entry.join("listing.json")).ok()?;
    let dir = entry.join("files");
    let whole =
        listing.iter().all(|file| fs::metadata(dir.join(&file.path)).is_ok_and(|data| data.len() == file.bytes));
    whole.then(|| Root { dir, files: listing.into_iter().map(|file| file.path).collect() })
}

/// Joins the files of the tree that match the glob, in the order of their names, and unpacks the whole.
pub(crate) fn joined(
    tree: &Tree,
    pattern: &Pattern,
    key: &str,
    cache: &Cache,
    limits: Limits,
    io: &StageIo,
) -> Result<Root> {
    let mut found: Vec<(&str, PathBuf)> = Vec::new();
    for root in &tree.roots {
        let matches = root.files.iter().filter(|path| pattern.matches(path) || pattern.is_literally(path));
        found.extend(matches.map(|path| (path.as_str(), root.dir.join(path))));
    }
    if found.is_empty() {
        return Err(Error::data(format!("`{key}.join` = \"{}\" matches no file of the source", pattern.as_str()))
            .hint(nearest(pattern.as_str(), tree.paths())));
    }
    // By their own names: each part may lie in a folder of its own.
    let own = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    found.sort_by(|(a, _), (b, _)| by_name(&own(a), &own(b)).then_with(|| by_name(a, b)));
    let names: Vec<_> = found.iter().map(|(path, _)| own(path)).collect();
    let paths: Vec<_> = found.into_iter().map(|(_, path)| path).collect();
    let name = format!("the archive joined from {}", names.join(" + "));
    let open = |paths: &[PathBuf]| {
        Parts::open(paths).map_err(|error| Error::data(format!("cannot read {name}")).caused_by(&error))
    };
    io.log(format!("joining {} parts, {}", paths.len(), mib(open(&paths)?.length())));
    let sha256 = digest::of_reader(&mut open(&paths)?)
        .map_err(|error| Error::data(format!("cannot read {name}")).caused_by(&error))?;
    parts(&paths, &sha256, &name, cache, limits, io)
}

fn key(sha256: &str) -> String {
    format!("{VERSION}-{sha256}")
}

fn parts(paths: &[PathBuf], sha256: &str, name: &str, cache: &Cache, limits: Limits, io: &StageIo) -> Result<Root> {
    if let Some(root) = find(sha256, cache) {
        return Ok(root);
    }
    let key = key(sha256);
    let lock = cache.lock(&key, name, io)?;
    // Another process may have made it while this one waited.
    if let Some(root) = find(sha256, cache) {
        return Ok(root);
    }
    cache.discard(&lock, "unpacked", &key)?;
    let made = cache.temporary(&lock)?;
    let dir = made.dir("files")?;
    let reader = Parts::open(paths).map_err(|error| Error::data(format!("cannot read {name}")).caused_by(&error))?;
    io.log(format!("unpacking {name}, {}", mib(reader.length())));
    let listing = archive::unpack(reader, name, &dir, limits)?;
    let text = serde_json::to_string(&listing).unwrap_or_default();
    let path = made.path().join("listing.json");
    fs::write(&path, text).map_err(|error| Error::io("write", &path, &error))?;
    let entry = cache.commit(made, "unpacked", &key)?;
    Ok(Root { dir: entry.join("files"), files: listing.into_iter().map(|file| file.path).collect() })
}

/// A size for the eye.
pub(crate) fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}
