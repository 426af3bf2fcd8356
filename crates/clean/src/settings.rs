//! The configuration, checked and ready to use.

use std::collections::{BTreeMap, BTreeSet};

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result, suggest};
use firebrand_tables::ReadOptions;
use firebrand_text::{Replacements, TextOptions};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Config;
use crate::files::Globs;
use crate::read::read_options;

/// What to do with the same text twice under one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Duplicates {
    /// Keep the first.
    Drop,
    /// Keep all.
    Keep,
}

/// What to do with the same text under two labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Conflicts {
    /// Drop all of them: nobody knows which label is right.
    Drop,
    /// Keep the label that most of them have.
    Majority,
    /// Keep all.
    Keep,
    /// Merge them into one row with all their labels (multi-label data only).
    Union,
    /// Refuse the data.
    Error,
}

/// What to do with labels that differ only in case or surrounding space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SimilarLabels {
    /// Refuse the data.
    Error,
    /// Merge them into one label, in the most frequent spelling.
    Merge,
}

/// Which column holds the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Weight {
    /// `weight`, if there is one.
    Detect,
    /// No weights: all rows count equally.
    None,
    /// The column with this name.
    Column(String),
}

/// A checked [`Config`].
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) text_column: Option<String>,
    pub(crate) pair_column: Option<String>,
    pub(crate) label_column: Option<String>,
    /// Columns of 0 and 1, one for each label; empty: labels are in one column.
    pub(crate) label_columns: Vec<String>,
    pub(crate) weight_column: Weight,
    pub(crate) reading: ReadOptions,
    /// Markers of missing values.
    pub(crate) null_values: Vec<String>,
    /// Whether a row may have any number of labels.
    pub(crate) multi_label: bool,
    /// Separator of the labels in a cell; `None` if a cell is one label.
    pub(crate) label_separator: Option<String>,
    pub(crate) group_column: Option<String>,
    /// Column and value.
    pub(crate) filter: Vec<(String, String)>,
    pub(crate) rename_labels: BTreeMap<String, String>,
    pub(crate) train_files: Globs,
    pub(crate) validation_files: Globs,
    pub(crate) test_files: Globs,
    pub(crate) text: TextOptions,
    pub(crate) duplicates: Duplicates,
    pub(crate) conflicts: Conflicts,
    pub(crate) similar_labels: SimilarLabels,
    pub(crate) min_characters: usize,
    pub(crate) min_rows_per_label: usize,
}

impl Settings {
    /// Checks everything about the configuration that does not depend on the data.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        check_columns(config)?;
        check_multi_label(config)?;
        for (key, value, why) in [
            ("min_characters", config.min_characters, "a text without characters says nothing about its label"),
            ("min_rows_per_label", config.min_rows_per_label, "a label without rows cannot be learned"),
        ] {
            if value == 0 {
                return Err(Error::key(key, format!("= 0 is too small: {why}")).hint("it is at least 1"));
            }
        }
        Ok(Self {
            text_column: some(&config.text_column),
            pair_column: some(&config.pair_column),
            label_column: some(&config.label_column),
            label_columns: config.label_columns.clone(),
            weight_column: match config.weight_column.as_str() {
                "" => Weight::Detect,
                "none" => Weight::None,
                column => Weight::Column(column.to_owned()),
            },
            reading: read_options(config)?,
            null_values: config.null_values.clone(),
            multi_label: config.multi_label || !config.label_columns.is_empty(),
            label_separator: some(&config.label_separator),
            group_column: some(&config.group_column),
            filter: filter(&config.filter)?,
            rename_labels: rename_labels(&config.rename_labels)?,
            train_files: Globs::new("train_files", &config.train_files)?,
            validation_files: Globs::new("validation_files", &config.validation_files)?,
            test_files: Globs::new("test_files", &config.test_files)?,
            text: TextOptions {
                strip_html: config.strip_html,
                unicode: choice("unicode", &config.unicode, &["nfc", "nfkc", "none"])?,
                strip_control: config.strip_control,
                collapse_whitespace: config.collapse_whitespace,
                lowercase: config.lowercase,
                replace: Replacements::new(config.replace.clone())
                    .map_err(|problem| Error::key("replace", format!("does not work: {problem}")))?,
                pairs: !config.pair_column.is_empty(),
            },
            duplicates: choice("duplicates", &config.duplicates, &["drop", "keep"])?,
            conflicts: choice("conflicts", &config.conflicts, &["drop", "majority", "keep", "union", "error"])?,
            similar_labels: choice("similar_labels", &config.similar_labels, &["error", "merge"])?,
            min_characters: config.min_characters,
            min_rows_per_label: config.min_rows_per_label,
        })
    }

    /// The columns that the configuration names.
    pub(crate) fn named_columns(&self) -> Vec<&str> {
        let weight = match &self.weight_column {
            Weight::Column(column) => Some(column),
            Weight::Detect | Weight::None => None,
        };
        let single = [&self.text_column, &self.pair_column, &self.label_column, &self.group_column];
        let single = single.into_iter().flatten().chain(weight).chain(&self.label_columns);
        single.map(String::as_str).chain(self.filter.iter().map(|(column, _)| column.as_str())).collect()
    }

    /// Whether a label marks a missing value, which it does not if `rename_labels` renames it.
    pub(crate) fn is_null_label(&self, label: &str) -> bool {
        self.is_null(label) && !self.rename_labels.contains_key(label.trim())
    }

    /// Whether a value marks a missing value.
    pub(crate) fn is_null(&self, value: &str) -> bool {
        self.null_values.iter().any(|null| null == value.trim())
    }

    /// The globs with their keys and parts; validation and test first, because their files are not training files.
    pub(crate) fn globs(&self) -> [(&Globs, Part); 3] {
        [(&self.validation_files, Part::Validation), (&self.test_files, Part::Test), (&self.train_files, Part::Train)]
    }
}

fn some(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// Refuses a column with two roles.
fn check_columns(config: &Config) -> Result<()> {
    let columns = [
        ("text_column", &config.text_column),
        ("pair_column", &config.pair_column),
        ("label_column", &config.label_column),
        ("group_column", &config.group_column),
        ("weight_column", &config.weight_column),
    ];
    if let ([_, ..], false) = (config.label_columns.as_slice(), config.label_column.is_empty()) {
        return Err(Error::key(
            "label_columns",
            format!("and `label_column` = {:?} are both set", config.label_column),
        )
        .hint("labels are either all in one column (`label_column`) or in one column per label (`label_columns`)"));
    }
    let mut seen = BTreeSet::new();
    if let Some(column) = config.label_columns.iter().find(|column| column.is_empty() || !seen.insert(*column)) {
        return Err(Error::key("label_columns", format!("names the column {column:?} twice, or none"))
            .hint("each label is a column of its own: label_columns = [\"toxic\", \"insult\"]"));
    }
    if config.label_columns.len() == 1 {
        return Err(Error::key("label_columns", "names one column only")
            .hint("for a single column of 0 and 1 use `label_column`"));
    }
    for (index, (key, name)) in columns.iter().enumerate() {
        if let Some((other, _)) = columns.iter().take(index).find(|(_, other)| !name.is_empty() && other == name) {
            return Err(Error::key(key, format!("= \"{name}\" is already `{other}`"))
                .hint("each key needs a column of its own"));
        }
    }
    Ok(())
}

/// Refuses options that make sense only for multi-label data.
fn check_multi_label(config: &Config) -> Result<()> {
    let several = "set `multi_label = true` below [clean] if a row may have several labels";
    let one_label = !config.multi_label && config.label_columns.is_empty();
    if !config.label_columns.is_empty() && !config.label_separator.is_empty() {
        return Err(Error::key("label_separator", "separates labels within one column, but `label_columns` is set")
            .hint("remove one of the two"));
    }
    if one_label && !config.label_separator.is_empty() {
        return Err(Error::key(
            "label_separator",
            format!("= \"{}\", but a row has one label", config.label_separator),
        )
        .hint(several));
    }
    if one_label && config.conflicts == "union" {
        return Err(Error::key("conflicts", "= \"union\", but a row has one label").hint(several));
    }
    if config.multi_label && !config.label_separator.is_empty() && config.label_separator.trim().is_empty() {
        // White space around labels is removed, which makes longer blank separators ambiguous.
        let blank = matches!(config.label_separator.as_str(), " " | "\t");
        if !blank {
            return Err(Error::key("label_separator", format!("= {:?} is blank", config.label_separator))
                .hint("a single space or tab is the only blank separator"));
        }
    }
    Ok(())
}

pub(crate) fn choice<T: DeserializeOwned>(key: &str, value: &str, choices: &[&str]) -> Result<T> {
    serde_json::from_value(Value::String(value.to_owned())).map_err(|_| {
        let listed: Vec<_> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
        let error = Error::key(key, format!("= \"{value}\" is not one of {}", listed.join(", ")));
        match suggest(value, choices.iter().copied()) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    })
}

fn filter(filter: &BTreeMap<String, Value>) -> Result<Vec<(String, String)>> {
    filter
        .iter()
        .map(|(column, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(Error::key(
                        &format!("filter.{column}"),
                        format!("= {value} is not a text, a number or a boolean"),
                    )
                    .hint("a filter is one value per column: filter = { source = \"web\" }"));
                }
            };
            Ok((column.clone(), text))
        })
        .collect()
}

fn rename_labels(names: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    match names.iter().find(|(_, to)| to.trim().is_empty()) {
        Some((from, to)) => Err(Error::key(&format!("rename_labels.{from}"), format!("= \"{to}\" is not a name"))
            .hint("to exclude a label's rows, use a `filter`")),
        None => Ok(names.iter().map(|(from, to)| (from.clone(), to.trim().to_owned())).collect()),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::config::default_section;
    use firebrand_pipeline::{ErrorKind, Slot};
    use firebrand_text::ReplaceRule;
    use serde_json::json;

    use super::*;

    fn with(change: impl FnOnce(&mut Config)) -> Result<Settings> {
        let mut config = default_section(Slot::Clean).unwrap();
        change(&mut config);
        Settings::new(&config)
    }

    #[test]
    fn the_defaults_are_valid() {
        let settings = with(|_| ()).unwrap();
        assert_eq!(settings.duplicates, Duplicates::Drop);
        assert_eq!(settings.conflicts, Conflicts::Drop);
        assert_eq!(settings.text_column, None);
    }

    #[test]
    fn values_that_cannot_work_are_refused_by_key() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 28] = [
            ("`label_separator` = \",\", but a row has one label", |c| c.label_separator = ",".to_owned()),
            ("`conflicts` = \"union\", but a row has one label", |c| c.conflicts = "union".to_owned()),
            ("`label_separator` = \"  \" is blank", |c| {
                (c.multi_label, c.label_separator) = (true, "  ".to_owned());
            }),
            ("`unicode` = \"nfd\" is not one of \"nfc\", \"nfkc\", \"none\"", |c| c.unicode = "nfd".to_owned()),
            ("`duplicates` = \"dorp\"", |c| c.duplicates = "dorp".to_owned()),
            ("`conflicts` = \"\"", |c| c.conflicts = String::new()),
            ("`similar_labels` = \"Merge\"", |c| c.similar_labels = "Merge".to_owned()),
            ("`min_characters` = 0", |c| c.min_characters = 0),
            ("`min_rows_per_label` = 0", |c| c.min_rows_per_label = 0),
            ("`train_files` = \"[\"", |c| c.train_files = vec!["[".to_owned()]),
            ("`validation_files` = \"\"", |c| c.validation_files = vec![String::new()]),
            ("`test_files` = \"../a.csv\"", |c| c.test_files = vec!["../a.csv".to_owned()]),
            ("`test_files` = \"/a.csv\"", |c| c.test_files = vec!["/a.csv".to_owned()]),
            ("`label_column` = \"x\" is already `text_column`", |c| {
                (c.text_column, c.label_column) = ("x".to_owned(), "x".to_owned());
            }),
            ("`group_column` = \"x\" is already `label_column`", |c| {
                (c.group_column, c.label_column) = ("x".to_owned(), "x".to_owned());
            }),
            ("`filter.source` = [1]", |c| _ = c.filter.insert("source".to_owned(), json!([1]))),
            ("`rename_labels.0` = \" \"", |c| _ = c.rename_labels.insert("0".to_owned(), " ".to_owned())),
            ("`replace` does not work: rule 1 (`[`): the pattern is not valid", |c| {
                c.replace = vec![ReplaceRule { pattern: "[".to_owned(), with: String::new() }];
            }),
            ("`test_files` = \"a***\"", |c| c.test_files = vec!["a***".to_owned()]),
            ("`separator` = \";;\" is not one ASCII", |c| c.separator = ";;".to_owned()),
            ("`quote` = \"”\" is not one ASCII", |c| c.quote = "”".to_owned()),
            ("`quote` = \";\" is the separator too", |c| (c.quote, c.separator) = (";".to_owned(), ";".to_owned())),
            ("`encoding` = \"utf-88\" is no encoding", |c| c.encoding = "utf-88".to_owned()),
            ("`header` = \"yes\" is not true, false or", |c| c.header = json!("yes")),
            ("`bad_rows` = \"skip\" is not one of", |c| c.bad_rows = "skip".to_owned()),
            ("`label_columns` names one column only", |c| c.label_columns = vec!["a".to_owned()]),
            ("`label_columns` names the column \"a\" twice", |c| c.label_columns = vec!["a".to_owned(); 2]),
            ("`label_columns` and `label_column` = \"x\" are both", |c| {
                (c.label_columns, c.label_column) = (vec!["a".to_owned(), "b".to_owned()], "x".to_owned());
            }),
        ];
        for (expected, change) in changes {
            let error = with(change).expect_err(expected);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(expected), "{}", error.message());
        }
    }

    #[test]
    fn a_near_choice_is_offered() {
        let error = with(|config| config.duplicates = "dorp".to_owned()).unwrap_err();
        assert!(error.render().ends_with("hint: did you mean \"drop\"?"), "{}", error.render());
    }

    #[test]
    fn filters_are_compared_as_texts() {
        let settings = with(|config| {
            config.filter =
                [("a", json!(2002)), ("b", json!(true)), ("c", json!("x"))].map(|(k, v)| (k.to_owned(), v)).into();
        });
        let filter = settings.unwrap().filter;
        let pairs: Vec<_> = filter.iter().map(|(column, value)| (column.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "2002"), ("b", "true"), ("c", "x")]);
    }
}
