//! The hub's cache on disk, shared with Python's `huggingface_hub`.
//!
//! ```text
//! models--ORG--NAME/refs/main                    the commit that `main` pointed to
//!                   blobs/ETAG                   contents, each stored once
//!                   snapshots/COMMIT/a/b.json    a relative link into blobs/
//! .locks/models--ORG--NAME/ETAG.lock             held while the blob ETAG is created
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};

use crate::cache::{create_dir, write_whole};
use crate::tree::Tree;

/// The kinds of repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repositories {
    Models,
    Datasets,
}

/// One repository in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
    locks: PathBuf,
}

impl Repositories {
    /// Its name in the API's URLs and in the cache.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Datasets => "datasets",
        }
    }
}

impl Folder {
    /// The folder of a repository below the cache.
    pub(crate) fn new(cache: &Path, kind: Repositories, repository: &str) -> Self {
        let name = format!("{}--{}", kind.plural(), repository.replace('/', "--"));
        Self { path: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// Where the folder is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The lock file of a blob.
    pub(crate) fn lock_path(&self, etag: &str) -> Result<PathBuf> {
        create_dir(&self.locks)?;
        Ok(self.locks.join(format!("{etag}.lock")))
    }

    /// The path of a blob, whether it exists or not.
    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.path.join("blobs").join(etag)
    }

    /// The path of a blob while it is downloaded.
    pub(crate) fn incomplete(&self, etag: &str) -> Result<PathBuf> {
        let blobs = self.path.join("blobs");
        create_dir(&blobs)?;
        Ok(blobs.join(format!("{etag}.incomplete")))
    }

    /// The directory of a commit.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.path.join("snapshots").join(commit)
    }

    /// Whether the commit's file is there.
    pub(crate) fn has(&self, commit: &str, file: &str) -> bool {
        // Follows the link: without its blob it does not count.
        self.snapshot(commit).join(file).is_file()
    }

    /// The files of a commit that are in the cache.
    pub(crate) fn files(&self, commit: &str) -> Result<Option<Tree>> {
        let dir = self.snapshot(commit);
        if dir.is_dir() { Tree::walk(&dir).map(Some) } else { Ok(None) }
    }

    /// The commit that a branch or tag pointed to when it was last fetched; a commit is itself.
    pub(crate) fn commit_of(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = fs::read_to_string(self.path.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Records the commit that a branch or tag points to.
    pub(crate) fn set_commit(&self, revision: &str, commit: &str) -> Result<()> {
        if is_commit(revision) || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.path.join("refs").join(revision);
        if let Some(parent) = path.parent() {
            create_dir(parent)?;
        }
        write_whole(&path, commit.as_bytes())
    }

    /// Links a complete blob as the commit's file.
    pub(crate) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let path = self.snapshot(commit).join(file);
        if let Some(parent) = path.parent() {
            create_dir(parent)?;
        }
        // Relative, so that the cache can be moved: out of the file's folders, of COMMIT and of snapshots/.
        let up = "../".repeat(file.split('/').count() + 1);
        let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
        let failed = |error: io::Error| Error::io("write", &path, &error);
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        link_or_copy(&format!("{up}blobs/{etag}"), &self.blob(etag), &temporary).map_err(failed)?;
        fs::rename(&temporary, &path).map_err(failed)
    }
}

#[cfg(unix)]
fn link_or_copy(target: &str, blob: &Path, link: &Path) -> io::Result<()> {
    // Some network file systems have no links; a copy works too, also for other clients of the hub.
    std::os::unix::fs::symlink(target, link).or_else(|_| fs::copy(blob, link).map(|_| ()))
}

#[cfg(not(unix))]
fn link_or_copy(_target: &str, blob: &Path, link: &Path) -> io::Result<()> {
    fs::copy(blob, link).map(|_| ())
}

/// Whether a revision is the full hash of a commit, whose content never changes.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}
