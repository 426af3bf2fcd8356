//! Globs over the `/`-separated paths of the fetched files.

use firebrand_pipeline::{Error, Result};

const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The globs of one key. `*` and `?` stop at a slash, `**` does not; a glob without a slash matches names in any folder.
#[derive(Debug, Clone)]
pub(crate) struct Globs {
    key: &'static str,
    patterns: Vec<glob::Pattern>,
}

impl Globs {
    /// Compiles the globs of a key.
    pub(crate) fn new(key: &'static str, texts: &[String]) -> Result<Self> {
        let patterns = texts.iter().map(|text| compile(key, text)).collect::<Result<_>>()?;
        Ok(Self { key, patterns })
    }

    /// The key of the configuration that holds them.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    /// Whether none is given.
    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether one of them matches the path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern, path))
    }

    /// The first glob that matches none of the paths: it was misspelt, or a file is missing.
    pub(crate) fn idle<'a>(&self, paths: impl Iterator<Item = &'a str> + Clone) -> Option<&str> {
        let idle = self.patterns.iter().find(|pattern| !paths.clone().any(|path| matches(pattern, path)));
        idle.map(glob::Pattern::as_str)
    }
}

fn compile(key: &str, text: &str) -> Result<glob::Pattern> {
    let plain = text.trim_start_matches("./");
    if plain.is_empty() {
        return Err(Error::key(key, format!("= \"{text}\" names nothing")));
    }
    if plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
        return Err(Error::key(key, format!("= \"{text}\" leaves the fetched data"))
            .hint("paths start inside the fetched data; which data that is, [fetch] says"));
    }
    glob::Pattern::new(plain)
        .map_err(|error| Error::key(key, format!("= \"{text}\" is not a valid glob: {}", error.msg)))
}

fn matches(pattern: &glob::Pattern, path: &str) -> bool {
    let subject = if pattern.as_str().contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) };
    // Names may hold brackets, which a glob would read as a set.
    pattern.as_str() == path || pattern.matches_with(subject, OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_anchors_and_stars_stop_at_slashes() {
        let matches = |glob: &str, path: &str| Globs::new("train_files", &[glob.to_owned()]).unwrap().matches(path);
        assert!(matches("*.csv", "a/b/c.csv"));
        assert!(matches("./data/train-*.parquet", "data/train-0.parquet"));
        assert!(!matches("data/*", "data/a/b.csv"));
        assert!(matches("train/**", "train/pos/1.txt"));
        assert!(!matches("train/**", "test/pos/1.txt"));
        assert!(matches("a[1].csv", "a[1].csv"));
    }

    #[test]
    fn a_glob_without_a_match_is_found() {
        let globs = Globs::new("train_files", &["*.csv".to_owned(), "*.tsv".to_owned()]).unwrap();
        assert_eq!(globs.idle(["a.csv"].into_iter()), Some("*.tsv"));
        assert_eq!(globs.idle(["a.csv", "b.tsv"].into_iter()), None);
    }
}
