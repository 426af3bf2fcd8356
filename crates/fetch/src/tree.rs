//! What was fetched, before anything is picked from it: files and their names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Glob, Hidden, Result, closest_first, files_below};

/// How many names a message lists.
const SHOWN: usize = 8;

/// A file: where it is, and the relative path under which it is known and ends up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picked {
    /// Where it is.
    pub(crate) from: PathBuf,
    /// Relative, with `/`.
    pub(crate) to: String,
}

/// The files of a source; those of several packages in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The files, sorted within each package.
    pub(crate) files: Vec<Picked>,
}

impl Tree {
    /// Files below a directory, by their relative paths.
    pub(crate) fn below(dir: &Path, paths: impl IntoIterator<Item = String>) -> Self {
        Self { files: paths.into_iter().map(|to| Picked { from: dir.join(&to), to }).collect() }
    }

    /// One file under a name.
    pub(crate) fn file(from: PathBuf, name: String) -> Self {
        Self { files: vec![Picked { from, to: name }] }
    }

    /// Every file below a directory of the user's except hidden ones.
    pub(crate) fn walk(dir: &Path) -> Result<Self> {
        Ok(Self::below(dir, files_below(dir, Hidden::Skip)?))
    }

    /// The relative paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.to.as_str())
    }

    /// The one file or folder that `inside` names: a file under its name, a folder as what is in it.
    pub(crate) fn inside(&self, pattern: &Glob, key: &str) -> Result<Vec<Picked>> {
        let entries = self.entries();
        // The literal path wins, so that a name with brackets in it can be given as it is.
        let mut found: Vec<_> = entries.iter().copied().filter(|entry| pattern.is_literally(entry)).collect();
        if found.is_empty() {
            found = entries.iter().copied().filter(|entry| pattern.matches(entry)).collect();
        }
        match found.as_slice() {
            [entry] => Ok(self.take(entry)),
            [] => Err(Error::data(format!("`{key}.inside` = \"{}\" is not in the source", pattern.as_str()))
                .hint(closest_first(pattern.as_str(), entries))),
            several => {
                let names: Vec<_> = several.iter().copied().take(SHOWN).collect();
                Err(Error::data(format!("`{key}.inside` = \"{}\" matches {} paths", pattern.as_str(), several.len()))
                    .hint(format!("give one of them in full: {}", names.join(", "))))
            }
        }
    }

    /// The files, and every folder above them.
    fn entries(&self) -> BTreeSet<&str> {
        let mut entries = BTreeSet::new();
        for path in self.paths() {
            entries.insert(path);
            let mut end = path.len();
            while let Some(slash) = path[..end].rfind('/') {
                if !entries.insert(&path[..slash]) {
                    break;
                }
                end = slash;
            }
        }
        entries
    }

    fn take(&self, entry: &str) -> Vec<Picked> {
        let name = entry.rsplit('/').next().unwrap_or(entry);
        let place = |path: &str| match path.strip_prefix(entry)? {
            "" => Some(name.to_owned()),
            below => below.strip_prefix('/').map(str::to_owned),
        };
        self.files.iter().filter_map(|file| Some(Picked { from: file.from.clone(), to: place(&file.to)? })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> Tree {
        let mut files: Vec<_> = files.iter().map(|&path| path.to_owned()).collect();
        files.sort();
        Tree::below(Path::new("/r"), files)
    }

    fn inside(tree: &Tree, pattern: &str) -> std::result::Result<Vec<String>, String> {
        tree.inside(&Glob::new(pattern).unwrap(), "data")
            .map(|picked| picked.into_iter().map(|file| file.to).collect())
            .map_err(|error| error.render())
    }

    #[test]
    fn a_file_keeps_its_name_and_a_folder_gives_what_is_in_it() {
        let tree = tree(&["p/data/a.csv", "p/data/deep/b.csv", "p/datax/c.csv", "p/x.py"]);
        assert_eq!(inside(&tree, "p/data/a.csv").unwrap(), ["a.csv"]);
        assert_eq!(inside(&tree, "p/data/").unwrap(), ["a.csv", "deep/b.csv"]);
        assert_eq!(inside(&tree, "*/data").unwrap(), ["a.csv", "deep/b.csv"]);
        assert_eq!(inside(&tree, "c.csv").unwrap(), ["c.csv"]);
    }

    #[test]
    fn no_match_lists_the_nearest_first_and_several_are_listed() {
        let tree = tree(&["p/data/reviews.csv", "p/setup.py", "p/zzz.txt"]);
        let error = inside(&tree, "p/data/review.csv").unwrap_err();
        assert!(error.contains("there are: p/data/reviews.csv,"), "{error}");
        let error = inside(&tree, "p/*.*").unwrap_err();
        assert!(error.contains("matches 2 paths") && error.contains("p/setup.py, p/zzz.txt"), "{error}");
    }

    #[test]
    fn a_literal_name_with_brackets_is_found() {
        assert_eq!(inside(&tree(&["a[1].csv", "a1.csv"]), "a[1].csv").unwrap(), ["a[1].csv"]);
    }
}
