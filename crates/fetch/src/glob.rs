//! Globs over the `/`-separated relative paths of a source.

use firebrand_pipeline::{Error, Result};

/// A glob: `*` and `?` stop at a slash, `**` does not. Without a slash it matches names in any folder.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    compiled: glob::Pattern,
}

const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

impl Pattern {
    /// Compiles a glob; the error is a clause such as `= "[" is not a valid glob: …`.
    pub(crate) fn new(text: &str) -> std::result::Result<Self, String> {
        let trimmed = text.trim_start_matches("./").trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(format!("= \"{text}\" names nothing"));
        }
        let compiled =
            glob::Pattern::new(trimmed).map_err(|error| format!("= \"{text}\" is not a valid glob: {}", error.msg))?;
        Ok(Self { text: trimmed.to_owned(), compiled })
    }

    /// Compiles a glob that [`validate`](crate::validate) has seen.
    pub(crate) fn checked(text: &str, key: &str) -> Result<Self> {
        Self::new(text).map_err(|problem| Error::key(key, problem))
    }

    /// Whether the path is literally this text: names may hold brackets.
    pub(crate) fn is_literally(&self, path: &str) -> bool {
        self.text == path
    }

    /// Whether the path matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let subject = if self.text.contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) };
        self.compiled.matches_with(subject, OPTIONS)
    }

    /// The glob as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_anchors_and_stars_stop_at_slashes() {
        let matches = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().matches(path);
        assert!(matches("*.csv", "a/b/c.csv"));
        assert!(matches("*/*.csv", "a/c.csv"));
        assert!(!matches("*/*.csv", "a/b/c.csv"));
        assert!(matches("**/*.csv", "a/b/c.csv"));
        assert!(matches("./a/", "a"));
        assert!(matches("part-[0-9].zip", "x/part-3.zip"));
        assert!(!matches("*.csv", "c.CSV"));
        assert!(Pattern::new("a[").is_err() && Pattern::new("/").is_err());
    }
}
