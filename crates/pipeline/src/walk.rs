//! The files below a directory, as every part of the pipeline sees them.

use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::{Error, Result};

/// Which entries of a directory count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Leave out names that start with a dot, and the `__MACOSX` folders of archives made on a Mac, with all below them.
    Skip,
    /// Take all.
    Include,
}

/// Every file below `root`, by its path relative to it with `/` between components, sorted.
///
/// Links are followed, as the Hugging Face cache consists of them; a link to a directory above itself is left out. What
/// `root` itself is called does not matter.
///
/// # Errors
/// When a directory cannot be read, a link leads nowhere, a name is not UTF-8, or an entry is neither file nor folder
/// (reading a pipe would never end).
pub fn files_below(root: &Path, hidden: Hidden) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let counts = |entry: &DirEntry| hidden == Hidden::Include || entry.depth() == 0 || !is_hidden(entry);
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(counts) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => return Err(unreadable(root, &error)),
        };
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() {
            return Err(Error::data(format!("{} is neither a file nor a directory", entry.path().display()))
                .hint("pipes, sockets and devices cannot be data: remove it"));
        }
        files.push(relative(root, &entry)?);
    }
    files.sort_unstable();
    Ok(files)
}

fn is_hidden(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

fn relative(root: &Path, entry: &DirEntry) -> Result<String> {
    let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
    let parts: Option<Vec<&str>> = path.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| {
        Error::data(format!("the name of {} is not UTF-8", entry.path().display())).hint("rename it at its source")
    })
}

fn unreadable(root: &Path, error: &walkdir::Error) -> Error {
    let path = error.path().unwrap_or(root);
    let made = match error.io_error() {
        Some(error) => Error::io("read", path, error),
        None => Error::other(format!("cannot read {}", path.display())).caused_by(error),
    };
    if path.is_symlink() { made.hint("it is a link, and what it points to is gone") } else { made }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    #[test]
    fn files_are_sorted_by_path_and_hidden_ones_left_out_on_request() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".data");
        for name in ["b/2.txt", "b/1.txt", "b.csv", "a.csv", ".git/config", "b/.DS_Store", "__MACOSX/a.csv"] {
            write(&root.join(name));
        }
        fs::create_dir(root.join("empty")).unwrap();
        assert_eq!(files_below(&root, Hidden::Skip).unwrap(), ["a.csv", "b.csv", "b/1.txt", "b/2.txt"]);
        assert_eq!(
            files_below(&root, Hidden::Include).unwrap(),
            [".git/config", "__MACOSX/a.csv", "a.csv", "b.csv", "b/.DS_Store", "b/1.txt", "b/2.txt"]
        );
        let error = files_below(&root.join("nowhere"), Hidden::Skip).unwrap_err();
        assert!(error.message().starts_with("cannot read"), "{}", error.message());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_end() {
        use std::os::unix::fs::symlink;

        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("d");
        for name in ["target.csv", "outside/c.csv", "d/sub/a.csv"] {
            write(&home.path().join(name));
        }
        symlink("../target.csv", root.join("link.csv")).unwrap();
        symlink("../outside", root.join("linked")).unwrap();
        symlink("..", root.join("sub/up")).unwrap();
        symlink(".", root.join("self")).unwrap();
        let expected = ["link.csv", "linked/c.csv", "sub/a.csv"];
        assert_eq!(files_below(&root, Hidden::Skip).unwrap(), expected);
        assert_eq!(files_below(&root, Hidden::Include).unwrap(), expected);
        // A root that is itself a link.
        symlink("d", home.path().join("e")).unwrap();
        assert_eq!(files_below(&home.path().join("e"), Hidden::Skip).unwrap(), expected);

        symlink("nowhere", root.join("dangling")).unwrap();
        let error = files_below(&root, Hidden::Skip).unwrap_err().render();
        assert!(error.contains("d/dangling") && error.contains("what it points to is gone"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn pipes_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pipe");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = files_below(home.path(), Hidden::Skip).unwrap_err();
        assert!(error.message().ends_with("pipe is neither a file nor a directory"), "{}", error.message());
        drop(socket);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf_8_are_refused() {
        use std::os::unix::ffi::OsStrExt;

        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.csv")), "x").unwrap();
        let error = files_below(home.path(), Hidden::Skip).unwrap_err();
        assert!(error.message().ends_with("is not UTF-8"), "{}", error.message());
    }
}
