//! Flushes files and directories to the disk, so that they survive a power cut.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use firebrand_pipeline::{Error, Result};

/// Above this number of files, the whole file system is flushed at once: one call per file would take minutes.
#[cfg(target_os = "linux")]
const ONE_BY_ONE: usize = 2_000;

/// Flushes the files (relative to `dir`, with `/`) and the directories that name them.
///
/// # Errors
/// When one cannot be opened or written to the disk.
pub(crate) fn flush_tree(dir: &Path, files: &[String]) -> Result<()> {
    #[cfg(target_os = "linux")]
    if files.len() > ONE_BY_ONE {
        let opened = File::open(dir).map_err(|error| Error::io("open", dir, &error))?;
        return nix::unistd::syncfs(&opened).map_err(|error| Error::io("flush", dir, &error.into()));
    }
    let mut dirs = BTreeSet::from([dir.to_owned()]);
    for file in files {
        let path = dir.join(file);
        File::open(&path).and_then(|file| file.sync_all()).map_err(|error| Error::io("flush", &path, &error))?;
        dirs.extend(path.ancestors().skip(1).take_while(|above| above.starts_with(dir)).map(Path::to_owned));
    }
    dirs.iter().try_for_each(|dir| flush_dir(dir))
}

/// Flushes a directory's entries: what was created, renamed or removed in it.
///
/// # Errors
/// When it cannot be written to the disk. Nothing happens on a file system that cannot flush directories.
pub(crate) fn flush_dir(dir: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err(Error::io("flush", dir, &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_any_size_are_flushed_and_missing_files_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/c"), "x").unwrap();
        flush_tree(dir.path(), &["a/b/c".to_owned()]).unwrap();
        flush_tree(dir.path(), &vec!["a/b/c".to_owned(); 2_001]).unwrap();
        flush_tree(dir.path(), &[]).unwrap();
        let error = flush_tree(dir.path(), &["a/gone".to_owned()]).unwrap_err();
        assert!(error.message().starts_with("cannot flush") && error.message().ends_with("a/gone"), "{error}");
        assert!(flush_dir(&dir.path().join("gone")).is_err());
    }
}
