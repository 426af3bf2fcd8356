//! Freshness of a `command`: its words, the files among them, and the files in `watch`.

use std::collections::BTreeSet;
use std::path::Path;

use firebrand_pipeline::{Error, Glob, Hidden, Result, Slot, files_below, hash};

use crate::config::Section;
use crate::hashes::Hashes;

/// Number of files that a note lists.
const LISTED: usize = 4;

/// The watched files of a command, by their paths relative to the workspace's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    words: Vec<String>,
    files: BTreeSet<String>,
}

impl Watched {
    /// The files among the words, and those in the section's `watch`.
    ///
    /// # Errors
    /// When a path in `watch` matches nothing, or a directory cannot be read.
    pub(crate) fn of(slot: Slot, words: &[String], section: &Section, root: &Path) -> Result<Self> {
        let mut files: BTreeSet<String> = words.iter().filter(|word| root.join(word).is_file()).cloned().collect();
        for path in &section.watch {
            let place = section.origins.get("watch").map(|place| format!("{place}: ")).unwrap_or_default();
            let refused = |problem: &str| Error::config(format!("{place}`{slot}.watch` {problem}"));
            let glob = Glob::new(path).map_err(|problem| refused(&problem))?;
            if glob.leaves_directory() {
                return Err(refused(&format!("= \"{path}\" leaves the workspace"))
                    .hint("watched files lie in the workspace, and their paths start from its root"));
            }
            let found = matching(&glob, root)?;
            if found.is_empty() {
                return Err(refused(&format!("= \"{path}\" matches no file"))
                    .hint("paths start from the workspace's root; `*` stops at a slash, `**` does not"));
            }
            files.extend(found);
        }
        Ok(Self { words: words.to_vec(), files })
    }

    /// A hash over the words and the content of the files.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn hash(&self, root: &Path, hashes: &mut Hashes) -> Result<String> {
        let mut text = format!("{:?}\n", self.words);
        for file in &self.files {
            text.push_str(&format!("{} {file}\n", hashes.of_file(&root.join(file))?));
        }
        Ok(hash::bytes(text.as_bytes()))
    }

    /// Says which files are watched and which are not, for `status`.
    pub(crate) fn note(&self, slot: Slot) -> String {
        let program = self.words.first().filter(|word| !self.files.contains(*word));
        let program = program.map(|word| format!("`{word}` and ")).unwrap_or_default();
        format!(
            "`{slot}` runs again when {} changes; not watched: {program}other files that it reads (`{slot}.watch` adds files)",
            match self.files.len() {
                0 => "its command line".to_owned(),
                count => {
                    let listed: Vec<_> = self.files.iter().take(LISTED).map(String::as_str).collect();
                    let more = count.saturating_sub(LISTED);
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    format!("{}{more}", listed.join(", "))
                }
            }
        )
    }
}

/// The files that a glob matches; a path of a file or directory matches it and what is below it.
fn matching(glob: &Glob, root: &Path) -> Result<Vec<String>> {
    let path = root.join(glob.as_str());
    if path.is_file() {
        return Ok(vec![glob.as_str().to_owned()]);
    }
    // Only the leading directories without wildcards need to be searched.
    let literal = |part: &&str| !part.contains(['*', '?', '[', '{']);
    let dir: Vec<&str> = match path.is_dir() {
        true => vec![glob.as_str()],
        false => {
            let (dirs, _) = glob.as_str().rsplit_once('/').unwrap_or(("", ""));
            dirs.split('/').take_while(literal).filter(|part| !part.is_empty()).collect()
        }
    };
    let dir = dir.join("/");
    if !root.join(&dir).is_dir() {
        return Ok(Vec::new());
    }
    let below = files_below(&root.join(&dir), Hidden::Skip)?.into_iter();
    let files = below.map(|file| if dir.is_empty() { file } else { format!("{dir}/{file}") });
    // Python writes these while the command runs.
    let files = files.filter(|file| file.split('/').all(|part| part != "__pycache__"));
    Ok(files.filter(|file| path.is_dir() || glob.matches(file)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::config::Filler;

    fn watched(root: &Path, watch: &[&str]) -> Result<Watched, String> {
        let words = ["python3", "clean.py"].map(str::to_owned).to_vec();
        let section = Section {
            filler: Filler::Command(words.clone()),
            watch: watch.iter().map(|&path| path.to_owned()).collect(),
            values: serde_json::Value::Null,
            origins: BTreeMap::from([("watch".to_owned(), "my.toml:3".to_owned())]),
        };
        Watched::of(Slot::Clean, &words, &section, root).map_err(|error| error.render())
    }

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in ["clean.py", "lib/a.py", "lib/deep/b.py", "lib/c.txt", "other/d.py"] {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), "x").unwrap();
        }
        root
    }

    #[test]
    fn files_directories_and_globs_are_watched() {
        let root = root();
        for (watch, expected) in [
            (&[][..], &["clean.py"][..]),
            (&["lib/a.py"], &["clean.py", "lib/a.py"]),
            (&["./lib/"], &["clean.py", "lib/a.py", "lib/c.txt", "lib/deep/b.py"]),
            (&["lib/**/*.py"], &["clean.py", "lib/a.py", "lib/deep/b.py"]),
            (&["lib/*.py", "*.txt"], &["clean.py", "lib/a.py", "lib/c.txt"]),
            (&["*/d.py"], &["clean.py", "other/d.py"]),
        ] {
            let found = watched(root.path(), watch).unwrap();
            assert_eq!(found.files.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{watch:?}");
        }
    }

    #[test]
    fn a_change_of_a_watched_file_changes_the_hash() {
        let root = root();
        let hash = |watch: &[&str]| {
            let mut hashes = Hashes::open(root.path().join("hashes.json"));
            watched(root.path(), watch).unwrap().hash(root.path(), &mut hashes).unwrap()
        };
        let before = [hash(&[]), hash(&["lib/**"])];
        fs::write(root.path().join("lib/a.py"), "longer").unwrap();
        assert_eq!(hash(&[]), before[0]);
        assert_ne!(hash(&["lib/**"]), before[1]);
    }

    #[test]
    fn what_cannot_be_watched_is_refused() {
        let root = root();
        for (path, problem) in [
            ("lib/*.rs", "error: my.toml:3: `clean.watch` = \"lib/*.rs\" matches no file"),
            ("none/**", "error: my.toml:3: `clean.watch` = \"none/**\" matches no file"),
            ("../a", "error: my.toml:3: `clean.watch` = \"../a\" leaves the workspace"),
            ("a[", "error: my.toml:3: `clean.watch` = \"a[\" is not a valid glob"),
        ] {
            let error = watched(root.path(), &[path]).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn the_note_says_what_is_not_watched() {
        let root = root();
        assert_eq!(
            watched(root.path(), &["lib/**"]).unwrap().note(Slot::Clean),
            "`clean` runs again when clean.py, lib/a.py, lib/c.txt, lib/deep/b.py changes; not watched: `python3` and other \
             files that it reads (`clean.watch` adds files)"
        );
    }
}
