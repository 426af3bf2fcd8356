//! Where the data and the pretrained model came from, as far as the card may say it.

use std::path::Path;

use firebrand_pipeline::{Result, read_json};
use serde_json::Value;

/// The two sources of a run, from fetch's `source.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) data: Origin,
    pub(crate) model: Origin,
}

/// Where something came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its repository on the hub: only such a name may stand in a card's front matter.
    pub(crate) hub: Option<String>,
    /// In words, as Markdown; `None` where it is not known.
    pub(crate) words: Option<String>,
}

impl Sources {
    /// Reads `source.json`. A custom fetch stage may leave it out, or write less into it.
    ///
    /// # Errors
    /// When the file is there and is not JSON.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let origins: Value = read_json(path)?;
        Ok(Self { data: Origin::of(&origins["data"]), model: Origin::of(&origins["model"]) })
    }
}

impl Origin {
    fn of(origin: &Value) -> Self {
        let source = &origin["source"];
        let hub = source["hub"].as_str().map(str::to_owned);
        let words = if let Some(name) = &hub {
            let commit = origin["commit"].as_str().map(|commit| format!(" at commit `{commit}`")).unwrap_or_default();
            Some(format!("[{name}](https://huggingface.co/{name}) on the Hugging Face hub{commit}"))
        } else if let Some(packages) = packages(&source["pypi"]) {
            Some(format!("{packages} on PyPI"))
        } else if let Some(packages) = packages(&source["npm"]) {
            Some(format!("{packages} on npm"))
        } else if let Some(url) = source["url"].as_str() {
            // What follows the question mark may be a key.
            Some(format!("<{}>", url.split(['?', '#']).next().unwrap_or(url)))
        } else {
            // A card is for others: the name says enough of a path on this machine.
            source["path"]
                .as_str()
                .and_then(|path| Path::new(path).file_name())
                .map(|name| format!("a local source, `{}`", name.to_string_lossy()))
        };
        Self { hub, words }
    }

    /// The same in words, for a data set: the hub has those under addresses of their own.
    pub(crate) fn data_words(&self) -> Option<String> {
        let words = self.words.as_ref()?;
        Some(words.replace("https://huggingface.co/", "https://huggingface.co/datasets/"))
    }
}

/// The packages' names and versions as Markdown.
fn packages(value: &Value) -> Option<String> {
    let names: Vec<_> = value.as_array()?.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => None,
        1 => Some(format!("the package {}", names[0])),
        _ => Some(format!("the packages {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(source: Value) -> String {
        Origin::of(&json!({ "source": source })).words.unwrap()
    }

    #[test]
    fn every_kind_of_source_has_words() {
        let hub = Origin::of(&json!({ "source": { "hub": "org/name" }, "commit": "abc" }));
        assert_eq!(hub.hub.as_deref(), Some("org/name"));
        assert!(hub.words.as_deref().unwrap().ends_with("at commit `abc`"));
        assert!(hub.data_words().unwrap().contains("huggingface.co/datasets/org/name"));
        assert_eq!(words(json!({ "pypi": ["a==1"] })), "the package `a==1` on PyPI");
        assert_eq!(words(json!({ "npm": ["a@1", "b@2"] })), "the packages `a@1`, `b@2` on npm");
        assert_eq!(
            words(json!({ "pypi": [], "url": "https://example.org/a.csv?key=secret" })),
            "<https://example.org/a.csv>"
        );
        assert_eq!(words(json!({ "path": "/home/me/reviews.csv" })), "a local source, `reviews.csv`");
    }

    #[test]
    fn what_is_not_known_stays_unsaid() {
        assert_eq!(Sources::read(None).unwrap(), Sources::default());
        assert_eq!(Origin::of(&json!({ "rows": 3 })), Origin::default());
    }

    #[test]
    fn a_file_that_is_not_json_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source.json");
        std::fs::write(&path, "{").unwrap();
        assert!(Sources::read(Some(&path)).unwrap_err().message().contains("source.json"));
    }
}
