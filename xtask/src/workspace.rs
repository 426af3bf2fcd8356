//! The workspace's root, and paths relative to it.

use std::path::{Path, PathBuf};

/// The directory that relative paths start from.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The given directory, or else the workspace that this program was compiled in, or, if that is gone (in a container),
    /// the current directory.
    pub(crate) fn find(given: Option<PathBuf>) -> Self {
        let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|root| root.is_dir()).map(Path::to_owned);
        let root = given.or(compiled).unwrap_or_else(|| PathBuf::from("."));
        Self { root: std::path::absolute(&root).unwrap_or(root) }
    }

    /// The root, absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path that the user gave: relative to the current directory if it exists there, else to the root.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        match std::path::absolute(path) {
            Ok(here) if here.exists() => here,
            _ => self.root.join(path),
        }
    }

    /// A path for messages: relative to the root if it lies below it.
    pub(crate) fn show(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
