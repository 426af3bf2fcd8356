//! Finds the columns with texts, labels, groups and weights.

use firebrand_pipeline::{Error, Result};
use firebrand_tables::{Header, Interface, Role};

use crate::settings::{Settings, Weight};

/// Where the labels are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Labels {
    /// In one column.
    Column(usize),
    /// In columns of 0 and 1, one for each label.
    Columns(Vec<usize>),
}

/// Places of the wanted columns among a file's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    pub(crate) text: usize,
    pub(crate) pair: Option<usize>,
    pub(crate) labels: Labels,
    pub(crate) group: Option<usize>,
    pub(crate) weight: Option<usize>,
    /// Places and the values that rows must have there.
    pub(crate) filter: Vec<(usize, String)>,
}

impl Columns {
    /// Finds the columns of a file. `by_content` are the columns of texts and labels in a file that does not name its columns.
    pub(crate) fn find(
        file: &str,
        names: &[String],
        by_content: Option<(usize, usize)>,
        settings: &Settings,
    ) -> Result<Self> {
        let header = Header { file, names, interface: Interface::Configuration };
        let named = |key: &str, wanted: &str| header.named(key, wanted);
        // Configured columns first: they are not inferred to be anything else.
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
        let weight = match &settings.weight_column {
            Weight::Column(column) => take("weight_column", &Some(column.clone()))?,
            Weight::None => None,
            Weight::Detect => names.iter().position(|name| name.trim().eq_ignore_ascii_case("weight")),
        };
        let several = settings.label_columns.iter().map(|column| named("label_columns", column));
        let several = several.collect::<Result<Vec<_>>>()?;
        taken.extend(&several);
        let filter = settings
            .filter
            .iter()
            .map(|(column, value)| Ok((named(&format!("filter.{column}"), column)?, value.clone())))
            .collect::<Result<_>>()?;
        let (text_by_content, label_by_content) = by_content.unzip();
        let text = match text.or(text_by_content.filter(|text| label != Some(*text))) {
            Some(text) => text,
            None => header.inferred(&taken, Role::Text)?,
        };
        let labels = match label.or(label_by_content.filter(|label| *label != text)) {
            _ if !several.is_empty() => Labels::Columns(several),
            Some(label) => Labels::Column(label),
            None => Labels::Column(header.inferred(&taken, Role::Label).map_err(|error| {
                error.hint("where each label is a column of 0 and 1: label_columns = [\"…\", \"…\"]")
            })?),
        };
        // Nothing can be two things; what was only inferred to be weights gives way.
        let taken = |weight: usize| weight == text || taken.contains(&weight) || labels == Labels::Column(weight);
        let weight = weight.filter(|weight| settings.weight_column != Weight::Detect || !taken(*weight));
        Ok(Self { text, pair, labels, group, weight, filter })
    }
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
        Columns::find("a.csv", &names, None, &Settings::new(&config).unwrap()).map_err(|error| error.render())
    }

    #[test]
    fn usual_names_are_inferred_whatever_their_case() {
        let found = find(&["id", "Sentiment", "REVIEW"], |_| ()).unwrap();
        assert_eq!((found.text, found.labels, found.group), (2, Labels::Column(1), None));
    }

    #[test]
    fn named_columns_come_first_and_are_not_inferred_as_others() {
        let found = find(&["label", "topic", "text", "author", "text2"], |config| {
            config.text_column = "label".to_owned();
            config.group_column = "author".to_owned();
            _ = config.filter.insert("text2".to_owned(), json!(3));
        });
        let expected = Columns {
            text: 0,
            pair: None,
            labels: Labels::Column(1),
            group: Some(3),
            weight: None,
            filter: vec![(4, "3".to_owned())],
        };
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

    #[test]
    fn weights_and_columns_of_labels() {
        let weight = |names: &[&str], wanted: &str| {
            find(names, |config| config.weight_column = wanted.to_owned()).map(|found| found.weight)
        };
        assert_eq!(weight(&["text", "label", "Weight"], ""), Ok(Some(2)));
        assert_eq!(weight(&["text", "label", "Weight"], "none"), Ok(None));
        assert_eq!(weight(&["text", "label", "trust"], "trust"), Ok(Some(2)));
        assert!(weight(&["text", "label"], "trust").unwrap_err().contains("no column \"trust\" (`weight_column`)"));
        let found = find(&["text", "toxic", "insult"], |config| {
            config.label_columns = vec!["insult".to_owned(), "toxic".to_owned()];
        });
        assert_eq!(found.unwrap().labels, Labels::Columns(vec![2, 1]));
        let found = find(&["1", "2"], |config| config.text_column = "2".to_owned());
        assert!(found.unwrap_err().contains("label_columns = "));
    }
}
