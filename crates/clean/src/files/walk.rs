//! All files below a directory, in an order that does not depend on the file system.

use std::fs;
use std::path::Path;

use firebrand_pipeline::{Error, Result};

/// The files below `root` by their `/`-separated paths, sorted. Hidden ones (`.DS_Store`, `.gitattributes`, `__MACOSX`) are
/// left out.
pub(crate) fn walk(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    descend(root, "", &mut names)?;
    names.sort_unstable();
    Ok(names)
}

fn descend(dir: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("list", dir, &error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_str().ok_or_else(|| {
            Error::data(format!("the name of {} is not UTF-8", path.display()))
                .hint("rename it where it comes from, and fetch again")
        })?;
        if name.starts_with('.') || name == "__MACOSX" {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            descend(&path, &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_and_hidden_ones_left_out() {
        let home = tempfile::tempdir().unwrap();
        for name in ["b/2.txt", "b/1.txt", "a.csv", ".git/config", "b/.DS_Store", "__MACOSX/a.csv"] {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        assert_eq!(walk(home.path()).unwrap(), ["a.csv", "b/1.txt", "b/2.txt"]);
        let error = walk(&home.path().join("nowhere")).unwrap_err();
        assert!(error.message().starts_with("cannot list"), "{}", error.message());
    }
}
