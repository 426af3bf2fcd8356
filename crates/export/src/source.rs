//! The sources of the data and the pretrained model, without private details.

use std::path::Path;

use firebrand_pipeline::{Result, read_json};
use serde_json::Value;

use crate::markdown::Markdown;

/// The sources of a run's data and pretrained model, from fetch's `source.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) data: Origin,
    pub(crate) model: Origin,
}

/// The source of the data or of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Repository on the hub, the only kind of source that front matter may name; `None` for other sources.
    pub(crate) hub: Option<String>,
    /// Description for the card; `None` if the source is unknown.
    pub(crate) words: Option<Markdown>,
}

/// Prefix of addresses of models on the hub.
const MODELS: &str = "https://huggingface.co/";
/// Prefix of addresses of data sets on the hub.
const DATASETS: &str = "https://huggingface.co/datasets/";

impl Sources {
    /// Reads `source.json`. A custom fetch stage may omit the file or some of its fields.
    ///
    /// # Errors
    /// When the file exists and is not JSON.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let origins: Value = read_json(path)?;
        Ok(Self { data: Origin::of(&origins["data"], DATASETS), model: Origin::of(&origins["model"], MODELS) })
    }
}

impl Origin {
    fn of(origin: &Value, hub_address: &str) -> Self {
        let source = &origin["source"];
        let hub = source["hub"].as_str().map(str::to_owned);
        let words = if let Some(name) = &hub {
            let link = Markdown::link(name, &format!("{hub_address}{name}"));
            let mut words = vec![link, Markdown::own(" on the Hugging Face hub")];
            if let Some(commit) = origin["commit"].as_str() {
                words.extend([Markdown::own(" at commit "), Markdown::code(commit)]);
            }
            Some(Markdown::concat(words))
        } else if let Some(packages) = packages(&source["pypi"], " on PyPI") {
            Some(packages)
        } else if let Some(packages) = packages(&source["npm"], " on npm") {
            Some(packages)
        } else if let Some(url) = source["url"].as_str() {
            // The query may contain a secret.
            Some(Markdown::address(url.split(['?', '#']).next().unwrap_or(url)))
        } else {
            // The rest of a local path means nothing to readers of the card.
            let name = source["path"].as_str().and_then(|path| Path::new(path).file_name());
            name.map(|name| {
                Markdown::concat([Markdown::own("a local source, "), Markdown::code(&name.to_string_lossy())])
            })
        };
        Self { hub, words }
    }
}

/// Names and versions of packages.
fn packages(value: &Value, place: &'static str) -> Option<Markdown> {
    let names: Vec<Markdown> = value.as_array()?.iter().filter_map(Value::as_str).map(Markdown::code).collect();
    let what = match names.len() {
        0 => return None,
        1 => "the package ",
        _ => "the packages ",
    };
    Some(Markdown::concat([Markdown::own(what), Markdown::list(names), Markdown::own(place)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(source: Value) -> String {
        Origin::of(&json!({ "source": source }), MODELS).words.unwrap().to_string()
    }

    #[test]
    fn every_kind_of_source_is_described() {
        let origin = json!({ "source": { "hub": "org/name_1" }, "commit": "abc" });
        let model = Origin::of(&origin, MODELS);
        assert_eq!(model.hub.as_deref(), Some("org/name_1"));
        assert_eq!(
            model.words.unwrap().to_string(),
            r"[org/name\_1](<https://huggingface.co/org/name_1>) on the Hugging Face hub at commit `abc`"
        );
        let data = Origin::of(&origin, DATASETS).words.unwrap().to_string();
        assert!(data.contains("huggingface.co/datasets/org/name_1"), "{data}");
        assert_eq!(words(json!({ "pypi": ["a==1"] })), "the package `a==1` on PyPI");
        assert_eq!(words(json!({ "npm": ["a@1", "b@2"] })), "the packages `a@1`, `b@2` on npm");
        assert_eq!(
            words(json!({ "pypi": [], "url": "https://example.org/a.csv?key=secret" })),
            "<https://example.org/a.csv>"
        );
        assert_eq!(words(json!({ "path": "/home/me/reviews.csv" })), "a local source, `reviews.csv`");
    }

    #[test]
    fn unknown_sources_are_not_described() {
        assert_eq!(Sources::read(None).unwrap(), Sources::default());
        assert_eq!(Origin::of(&json!({ "rows": 3 }), DATASETS), Origin::default());
    }

    #[test]
    fn a_file_that_is_not_json_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source.json");
        std::fs::write(&path, "{").unwrap();
        assert!(Sources::read(Some(&path)).unwrap_err().message().contains("source.json"));
    }
}
