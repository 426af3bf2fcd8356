//! Finds columns by their names.

use firebrand_pipeline::{Error, Result, suggest};

use crate::interface::Interface;
use crate::wording::listed;

/// Common names of text columns, in lower case.
const TEXT: [&str; 14] = [
    "text",
    "texts",
    "sentence",
    "review",
    "content",
    "body",
    "message",
    "document",
    "comment",
    "tweet",
    "post",
    "utterance",
    "query",
    "question",
];

/// Common names of label columns, in lower case.
const LABEL: [&str; 11] = [
    "label",
    "labels",
    "class",
    "category",
    "categories",
    "target",
    "sentiment",
    "topic",
    "intent",
    "emotion",
    "label_text",
];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Texts.
    Text,
    /// Labels.
    Label,
}

impl Role {
    /// Common names of such columns, in lower case.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Text => &TEXT,
            Self::Label => &LABEL,
        }
    }

    /// The setting that names the column.
    fn key(self) -> &'static str {
        match self {
            Self::Text => "text_column",
            Self::Label => "label_column",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Text => "texts",
            Self::Label => "labels",
        }
    }
}

/// Whether this is a common name of a text or label column.
pub fn is_usual(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    [Role::Text, Role::Label].iter().any(|role| role.usual().contains(&name.as_str()))
}

/// The columns of a file.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// The file's name in messages.
    pub file: &'a str,
    /// The columns' names, in the file's order.
    pub names: &'a [String],
    /// Where the user names columns.
    pub interface: Interface,
}

impl Header<'_> {
    /// The index of the column that the user has named in the setting `key`.
    ///
    /// # Errors
    /// When there is no such column: the message lists those that there are.
    pub fn named(&self, key: &str, wanted: &str) -> Result<usize> {
        self.names.iter().position(|name| name == wanted).ok_or_else(|| {
            let (file, key) = (self.file, self.interface.key(key));
            let error = Error::data(format!("{file} has no column \"{wanted}\" ({key}); it has: {}", self.seen()));
            match suggest(wanted, self.names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error.hint("the first line of a CSV or TSV file must name the columns"),
            }
        })
    }

    /// The index of the only column with a common name for `role`, whatever its case. Columns in `taken` hold something else.
    ///
    /// # Errors
    /// When there is no such column, or several: the message lists them.
    pub fn inferred(&self, taken: &[usize], role: Role) -> Result<usize> {
        let is_usual = |name: &String| role.usual().contains(&name.trim().to_lowercase().as_str());
        let (file, what) = (self.file, role.plural());
        let names = self.names.iter().enumerate();
        let hits: Vec<_> = names.filter(|(place, name)| !taken.contains(place) && is_usual(name)).collect();
        match hits.as_slice() {
            [(place, _)] => Ok(*place),
            [] => {
                let seen = self.seen();
                Err(Error::data(format!("{file}: none of its columns is known to hold the {what}: {seen}"))
                    .hint(self.interface.name("it", role.key(), "…"))
                    .hint("the first line of a CSV or TSV file must name the columns"))
            }
            [(_, first), ..] => {
                let all = listed(hits.iter().map(|(_, name)| name.as_str()));
                Err(Error::data(format!("{file}: several columns may hold the {what}: {all} (of {})", self.seen()))
                    .hint(self.interface.name("one", role.key(), first)))
            }
        }
    }

    fn seen(&self) -> String {
        listed(self.names.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn usual_names_are_inferred_whatever_their_case() {
        let names = names(&["id", "Sentiment", "REVIEW"]);
        let header = Header { file: "a.csv", names: &names, interface: Interface::CommandLine };
        assert_eq!(header.inferred(&[], Role::Text).unwrap(), 2);
        assert_eq!(header.inferred(&[], Role::Label).unwrap(), 1);
        assert!(header.inferred(&[2], Role::Text).is_err());
    }

    #[test]
    fn advice_names_the_option() {
        let names = names(&["text", "review", "x"]);
        let header = Header { file: "a.csv", names: &names, interface: Interface::CommandLine };
        let error = header.named("text_column", "txet").unwrap_err().render();
        assert!(error.contains("no column \"txet\" (`--text-column`); it has: \"text\""), "{error}");
        assert!(error.ends_with("hint: did you mean \"text\"?"), "{error}");
        let error = header.inferred(&[], Role::Text).unwrap_err().render();
        assert!(error.ends_with("several columns may hold the texts: \"text\", \"review\" (of \"text\", \"review\", \"x\")\n\nhint: name one: --text-column text"), "{error}");
        let error = header.inferred(&[0, 1], Role::Text).unwrap_err().render();
        assert!(error.contains("hint: name it: --text-column …"), "{error}");
    }
}
