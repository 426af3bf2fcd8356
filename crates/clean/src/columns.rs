//! Which columns hold what.

use firebrand_pipeline::{Error, Result, suggest};

use crate::nearest::listed;
use crate::settings::Settings;

/// Usual names of columns with texts, in lower case.
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

/// Usual names of columns with labels, in lower case.
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

/// Places of the wanted columns among a file's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    pub(crate) text: usize,
    pub(crate) pair: Option<usize>,
    pub(crate) label: usize,
    pub(crate) group: Option<usize>,
    /// Places and the values that rows must have there.
    pub(crate) filter: Vec<(usize, String)>,
}

impl Columns {
    /// Finds the columns of a file.
    pub(crate) fn find(file: &str, names: &[String], settings: &Settings) -> Result<Self> {
        let named = |key: &str, wanted: &str| named(file, names, key, wanted);
        // Named ones first: what is taken is not inferred as something else.
        let mut taken = Vec::new();
        let mut take = |key: &str, wanted: &Option<String>| {
            let place = wanted.as_deref().map(|wanted| named(key, wanted)).transpose()?;
            taken.extend(place);
            Ok::<_, Error>(place)
        };
        let text = take("text_column", &settings.text_column)?;
        let pair = take("pair_column", &settings.pair_column)?;
        let label = take("label_column", &settings.label_column)?;
        let group = take("group_column", &settings.group_column)?;
        let filter = settings
            .filter
            .iter()
            .map(|(column, value)| Ok((named(&format!("filter.{column}"), column)?, value.clone())))
            .collect::<Result<_>>()?;
        let or_inferred = |place: Option<usize>, key: &str, what: &str, usual: &[&str]| match place {
            Some(place) => Ok(place),
            None => inferred(file, names, &taken, key, what, usual),
        };
        Ok(Self {
            text: or_inferred(text, "text_column", "texts", &TEXT)?,
            pair,
            label: or_inferred(label, "label_column", "labels", &LABEL)?,
            group,
            filter,
        })
    }
}

fn named(file: &str, names: &[String], key: &str, wanted: &str) -> Result<usize> {
    names.iter().position(|name| name == wanted).ok_or_else(|| {
        let error = Error::data(format!("{file} has no column \"{wanted}\" (`{key}`); it has: {}", seen(names)));
        match suggest(wanted, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint("the first line of a CSV or TSV file must name the columns"),
        }
    })
}

fn inferred(file: &str, names: &[String], taken: &[usize], key: &str, what: &str, usual: &[&str]) -> Result<usize> {
    let is_usual = |name: &String| usual.contains(&name.trim().to_lowercase().as_str());
    let hits: Vec<_> =
        names.iter().enumerate().filter(|(place, name)| !taken.contains(place) && is_usual(name)).collect();
    match hits.as_slice() {
        [(place, _)] => Ok(*place),
        [] => Err(Error::data(format!("{file}: none of its columns is known to hold the {what}: {}", seen(names)))
            .hint(format!("name it below [clean]: {key} = \"…\""))
            .hint("the first line of a CSV or TSV file must name the columns")),
        [(_, first), ..] => {
            let all = listed(hits.iter().map(|(_, name)| name.as_str()));
            Err(Error::data(format!("{file}: several columns may hold the {what}: {all} (of {})", seen(names)))
                .hint(format!("name one below [clean]: {key} = \"{first}\"")))
        }
    }
}

fn seen(names: &[String]) -> String {
    listed(names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::Slot;
    use firebrand_pipeline::config::default_section;
    use serde_json::json;

    use super::*;
    use crate::Config;

    fn find(names: &[&str], change: impl FnOnce(&mut Config)) -> Result<Columns, String> {
        let mut config = default_section(Slot::Clean).unwrap();
        change(&mut config);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Columns::find("a.csv", &names, &Settings::new(&config).unwrap()).map_err(|error| error.render())
    }

    #[test]
    fn usual_names_are_inferred_whatever_their_case() {
        let found = find(&["id", "Sentiment", "REVIEW"], |_| ()).unwrap();
        assert_eq!((found.text, found.label, found.group), (2, 1, None));
    }

    #[test]
    fn named_columns_come_first_and_are_not_inferred_as_others() {
        let found = find(&["label", "topic", "text", "author", "text2"], |config| {
            config.text_column = "label".to_owned();
            config.group_column = "author".to_owned();
            _ = config.filter.insert("text2".to_owned(), json!(3));
        });
        let expected = Columns { text: 0, pair: None, label: 1, group: Some(3), filter: vec![(4, "3".to_owned())] };
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn what_is_missing_or_ambiguous_lists_the_columns() {
        let error = find(&["x", "label"], |_| ()).unwrap_err();
        assert!(error.contains("none of its columns is known to hold the texts: \"x\", \"label\""), "{error}");
        assert!(error.contains("text_column = \"…\""), "{error}");
        let error = find(&["text", "label", "class"], |_| ()).unwrap_err();
        assert!(error.contains("several columns may hold the labels: \"label\", \"class\""), "{error}");
        let error = find(&["text", "label"], |config| config.text_column = "txet".to_owned()).unwrap_err();
        assert!(error.contains("a.csv has no column \"txet\" (`text_column`); it has: \"text\", \"label\""), "{error}");
        assert!(error.ends_with("hint: did you mean \"text\"?"), "{error}");
        let error = find(&["text", "label"], |config| _ = config.filter.insert("origin".to_owned(), json!("web")));
        assert!(error.unwrap_err().contains("no column \"origin\" (`filter.origin`)"));
        let error = find(&["text", "label"], |config| config.group_column = "author".to_owned());
        assert!(error.unwrap_err().contains("no column \"author\" (`group_column`)"));
    }
}
