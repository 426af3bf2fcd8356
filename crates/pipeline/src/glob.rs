//! Globs over relative paths whose components are separated by `/`.

use glob::{MatchOptions, Pattern};

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// A glob: `*` and `?` match within a path component, `**` matches any number of components.
///
/// A glob without a slash matches file names in any directory. Names may hold brackets, so a path that is literally the
/// glob matches too.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    pattern: Pattern,
}

impl Glob {
    /// Compiles a glob. A leading `./` and a trailing `/` mean nothing.
    ///
    /// # Errors
    /// A clause that completes a message about a key: `= "[" is not a valid glob: …`.
    pub fn new(text: &str) -> Result<Self, String> {
        let trimmed = text.trim_start_matches("./").trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(format!("= \"{text}\" names nothing"));
        }
        let pattern =
            Pattern::new(trimmed).map_err(|error| format!("= \"{text}\" is not a valid glob: {}", error.msg))?;
        Ok(Self { text: trimmed.to_owned(), pattern })
    }

    /// Whether the path matches.
    pub fn matches(&self, path: &str) -> bool {
        let subject = if self.text.contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) };
        self.is_literally(path) || self.pattern.matches_with(subject, OPTIONS)
    }

    /// Whether the path is, character by character, the text of the glob.
    pub fn is_literally(&self, path: &str) -> bool {
        self.text == path
    }

    /// Whether the glob can only match outside of the directory that paths are relative to.
    pub fn leaves_directory(&self) -> bool {
        self.text.starts_with('/') || self.text.split('/').any(|part| part == "..")
    }

    /// The text, without a leading `./` and a trailing `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_at_slashes_and_a_glob_without_one_matches_names() {
        for (glob, path, expected) in [
            ("*.csv", "a/b/c.csv", true),
            ("*.csv", ".hidden.csv", true),
            ("*.csv", "c.CSV", false),
            ("*/*.csv", "a/c.csv", true),
            ("*/*.csv", "a/b/c.csv", false),
            ("**/*.csv", "a/b/c.csv", true),
            ("**/*.csv", "c.csv", true),
            ("train/**", "train/pos/1.txt", true),
            ("train/**", "test/pos/1.txt", false),
            ("a/**/z", "a/z", true),
            ("./data/train-*.parquet", "data/train-0.parquet", true),
            ("data/*", "data/a/b.csv", false),
            ("./a/", "a", true),
            ("part-[0-9].zip", "x/part-3.zip", true),
            ("part-[!0-9].zip", "x/part-3.zip", false),
            ("a[1].csv", "a[1].csv", true),
            ("a[1].csv", "a1.csv", true),
            ("?.txt", "a.txt", true),
            ("?.txt", "ab.txt", false),
            ("?.txt", "é.txt", true),
        ] {
            assert_eq!(Glob::new(glob).unwrap().matches(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn malformed_globs_are_refused() {
        let error = Glob::new("a[").unwrap_err();
        assert!(error.starts_with("= \"a[\" is not a valid glob: "), "{error}");
        assert_eq!(Glob::new("/").unwrap_err(), "= \"/\" names nothing");
        assert_eq!(Glob::new("").unwrap_err(), "= \"\" names nothing");
    }

    #[test]
    fn globs_that_leave_the_directory_are_told() {
        for glob in ["/etc/*", "../a", "a/../../b", "./../a"] {
            assert!(Glob::new(glob).unwrap().leaves_directory(), "{glob}");
        }
        assert!(!Glob::new("a/..b/*").unwrap().leaves_directory());
    }
}
