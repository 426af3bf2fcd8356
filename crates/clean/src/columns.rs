//! Which columns of a table are the text, the label, and the rest.

use firebrand_pipeline::{Error, Result};

use crate::nearest::{listed, nearest};
use crate::settings::Settings;

/// Usual names; an earlier line wins over a later one, and two names of one line leave it open.
const TEXT: &[&[&str]] = &[
    &["text"],
    &[
        "sentence",
        "review",
        "content",
        "body",
        "message",
        "document",
        "tweet",
        "comment",
        "utterance",
        "review_text",
        "texts",
    ],
    &["title", "headline", "description", "abstract", "question", "query"],
];
const LABEL: &[&[&str]] = &[
    &["label"],
    &["labels", "class", "category", "target"],
    &["sentiment", "topic", "intent", "tag", "emotion", "stars", "rating", "label_text", "coarse_label"],
];

/// The places of the columns among a table's names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    pub(crate) text: usize,
    pub(crate) label: usize,
    pub(crate) group: Option<usize>,
    pub(crate) weight: Option<usize>,
    /// In the order of the configured filters.
    pub(crate) filter: Vec<usize>,
}

impl Columns {
    /// Chooses the columns of a table.
    pub(crate) fn choose(names: &[String], settings: &Settings, file: &str) -> Result<Self> {
        let named = |key: &str, name: &str| find(names, key, name, file);
        let optional = |key: &str, name: &Option<String>| name.as_deref().map(|name| named(key, name)).transpose();
        let text = optional("text_column", &settings.text_column)?;
        let label = optional("label_column", &settings.label_column)?;
        let group = optional("group_column", &settings.group_column)?;
        let weight = optional("weight_column", &settings.weight_column)?;
        let filter = settings.filter.iter().map(|(column, _)| named(&format!("filter.{column}"), column));
        let filter = filter.collect::<Result<_>>()?;
        let taken = [text, label, group, weight];
        let inferred = |found: Option<usize>, what: &str, usual: &[&[&str]]| match found {
            Some(place) => Ok(place),
            None => infer(names, what, usual, &taken, file),
        };
        let (text, label) = (inferred(text, "text", TEXT)?, inferred(label, "label", LABEL)?);
        Ok(Self { text, label, group, weight, filter })
    }

    /// All of them, in the order of the fields.
    pub(crate) fn places(&self) -> Vec<usize> {
        let optional = [self.group, self.weight].into_iter().flatten();
        [self.text, self.label].into_iter().chain(optional).chain(self.filter.iter().copied()).collect()
    }
}

fn find(names: &[String], key: &str, wanted: &str, file: &str) -> Result<usize> {
    names.iter().position(|name| name == wanted.trim()).ok_or_else(|| {
        let columns = names.iter().map(String::as_str);
        let error = Error::data(format!(
            "{file} has no column \"{wanted}\" (`clean.{key}`): its columns are {}",
            listed(columns.clone())
        ));
        match nearest(wanted, columns) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint(format!("set `{key}` below [clean] to one of the columns")),
        }
    })
}

fn infer(names: &[String], what: &str, usual: &[&[&str]], taken: &[Option<usize>], file: &str) -> Result<usize> {
    for tier in usual {
        let free = names.iter().enumerate().filter(|(place, _)| !taken.contains(&Some(*place)));
        let hits: Vec<_> = free.filter(|(_, name)| tier.contains(&name.to_lowercase().as_str())).collect();
        match hits.as_slice() {
            [] => {}
            [(place, _)] => return Ok(*place),
            _ => {
                let hits = listed(hits.iter().map(|(_, name)| name.as_str()));
                return Err(Error::data(format!("{file}: several columns could hold the {what}: {hits}"))
                    .hint(format!("set `{what}_column` below [clean] to the one that does")));
            }
        }
    }
    Err(Error::data(format!(
        "{file}: no column has a usual name for the {what}: its columns are {}",
        listed(names.iter().map(String::as_str))
    ))
    .hint(format!("set `{what}_column` below [clean] to the one that holds the {what}")))
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    fn choose(names: &[&str], change: impl FnOnce(&mut crate::Config)) -> Result<Columns, String> {
        let mut config = default_section(Slot::Clean).unwrap();
        change(&mut config);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Columns::choose(&names, &Settings::new(&config).unwrap(), "a.csv").map_err(|error| error.render())
    }

    #[test]
    fn usual_names_are_found_in_any_case() {
        let columns = choose(&["id", "Sentiment", "Review", "Title"], |_| ()).unwrap();
        assert_eq!((columns.text, columns.label), (2, 1));
        assert_eq!(choose(&["label_text", "label", "text", "body"], |_| ()).unwrap().places(), [2, 1]);
    }

    #[test]
    fn named_columns_are_not_inferred_again() {
        let columns = choose(&["text", "body", "label"], |config| config.group_column = "text".to_owned()).unwrap();
        assert_eq!((columns.text, columns.group), (1, Some(0)));
        assert_eq!(columns.places(), [1, 2, 0]);
    }

    #[test]
    fn what_is_open_is_an_error() {
        for (names, expected) in [
            (&["a", "label"][..], "no column has a usual name for the text: its columns are \"a\", \"label\""),
            (&["text"], "no column has a usual name for the label"),
            (&["body", "review", "label"], "several columns could hold the text: \"body\", \"review\""),
            (&["text", "class", "target"], "several columns could hold the label: \"class\", \"target\""),
        ] {
            let error = choose(names, |_| ()).unwrap_err();
            assert!(error.contains(expected) && error.contains("hint: set `"), "{error}");
        }
        let error = choose(&["text", "label"], |config| config.text_column = "txet".to_owned()).unwrap_err();
        assert!(
            error.contains("no column \"txet\" (`clean.text_column`)") && error.contains("did you mean \"text\"?"),
            "{error}"
        );
    }
}
