//! The globs of a configuration key, over the `/`-separated paths of the fetched files.

use firebrand_pipeline::{Error, Glob, Result};

/// The globs of one key.
#[derive(Debug, Clone)]
pub(crate) struct Globs {
    key: &'static str,
    globs: Vec<Glob>,
}

impl Globs {
    /// Compiles the globs of a key.
    pub(crate) fn new(key: &'static str, texts: &[String]) -> Result<Self> {
        let globs = texts.iter().map(|text| compile(key, text)).collect::<Result<_>>()?;
        Ok(Self { key, globs })
    }

    /// The key of the configuration that holds them.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    /// Whether the key is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// Whether one of them matches the path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(path))
    }

    /// The first glob that matches none of the paths: it is misspelt, or a file is missing.
    pub(crate) fn idle<'a>(&self, paths: impl Iterator<Item = &'a str> + Clone) -> Option<&str> {
        let idle = self.globs.iter().find(|glob| !paths.clone().any(|path| glob.matches(path)));
        idle.map(Glob::as_str)
    }
}

fn compile(key: &str, text: &str) -> Result<Glob> {
    let glob = Glob::new(text).map_err(|problem| Error::key(key, problem))?;
    if glob.leaves_directory() {
        return Err(Error::key(key, format!("= \"{text}\" leaves the fetched data"))
            .hint("paths start inside the fetched data; which data that is, [fetch] says"));
    }
    Ok(glob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_inside_the_fetched_data_are_taken() {
        let compiled = |text: &str| Globs::new("train_files", &[text.to_owned()]).map_err(|error| error.render());
        assert!(compiled("./data/train-*.parquet").unwrap().matches("data/train-0.parquet"));
        assert!(compiled("../a.csv").unwrap_err().contains("`train_files` = \"../a.csv\" leaves the fetched data"));
        assert!(compiled("a[").unwrap_err().contains("`train_files` = \"a[\" is not a valid glob"));
    }

    #[test]
    fn a_glob_without_a_match_is_found() {
        let globs = Globs::new("train_files", &["*.csv".to_owned(), "*.tsv".to_owned()]).unwrap();
        assert_eq!(globs.idle(["a.csv"].into_iter()), Some("*.tsv"));
        assert_eq!(globs.idle(["a.csv", "b.tsv"].into_iter()), None);
    }
}
