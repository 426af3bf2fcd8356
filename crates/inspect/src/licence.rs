//! The licence that a model states.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

/// A licence and the file that states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Licence {
    /// As stated: `apache-2.0`, `mit`, …
    pub name: String,
    /// The file.
    pub file: &'static str,
}

/// Usual names of files with the text of a licence.
const TEXTS: [&str; 3] = ["LICENSE", "LICENSE.txt", "LICENSE.md"];

impl Licence {
    /// The licence in the front matter of the model card (`README.md`), else in `config.json`.
    pub(crate) fn of(directory: &Path) -> Option<Self> {
        let card = fs::read_to_string(directory.join("README.md")).unwrap_or_default();
        if let Some(name) = in_front_matter(&card) {
            return Some(Self { name, file: "README.md" });
        }
        let config = fs::read_to_string(directory.join("config.json")).ok()?;
        let config: Value = serde_json::from_str(&config).ok()?;
        let name = config.get("license").and_then(Value::as_str)?;
        Some(Self { name: name.to_owned(), file: "config.json" })
    }

    /// The file with the text of a licence, if there is one.
    pub(crate) fn text(directory: &Path) -> Option<&'static str> {
        TEXTS.into_iter().find(|name| directory.join(name).is_file())
    }
}

/// The value of `license` in the front matter, or of `license_name` if that is `other`.
fn in_front_matter(card: &str) -> Option<String> {
    let mut lines = card.trim_start_matches('\u{feff}').lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let matter: Vec<&str> = lines.take_while(|line| line.trim_end() != "---").collect();
    let value = |key: &str| {
        // An indented key is nested in another one.
        let place = matter.iter().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))?;
        let own = matter[place][key.len() + 1..].split(" #").next().unwrap_or_default();
        // A list has one item per line below.
        let entry = matter.get(place + 1).and_then(|line| line.trim_start().strip_prefix("- "));
        let text = if own.trim().is_empty() { entry? } else { own };
        let text = text.trim().trim_matches(['[', ']']).trim_matches(['"', '\'']).trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    match value("license")?.as_str() {
        "other" => value("license_name").or(Some("other".to_owned())),
        name => Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::in_front_matter;

    #[test]
    fn the_licence_is_read_from_front_matter() {
        for (card, expected) in [
            ("---\nlanguage: en\nlicense: apache-2.0\ntags:\n- x\n---\n# M", Some("apache-2.0")),
            ("---\r\nlicense: \"mit\"  # ours\r\n---\r\n", Some("mit")),
            ("---\nlicense:\n- cc-by-4.0\n---\n", Some("cc-by-4.0")),
            ("---\nlicense: other\nlicense_name: llama3\n---\n", Some("llama3")),
            ("---\nlicense: other\n---\n", Some("other")),
            ("---\nmodel:\n  license: mit\n---\n", None),
            ("---\nlanguage: en\n---\nlicense: mit\n", None),
            ("# M\nlicense: mit\n", None),
            ("", None),
        ] {
            assert_eq!(in_front_matter(card).as_deref(), expected, "{card}");
        }
    }
}
