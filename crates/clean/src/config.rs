//! The `[clean]` section: which rows to take from the raw files, and what to make of them.

use std::collections::BTreeMap;

use firebrand_text::ReplaceRule;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The configuration of the stage.
///
/// Closed choices are texts here and become enums in the stage's own settings, so that a wrong one is reported by its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The column with the texts; empty: inferred from the usual names.
    pub text_column: String,
    /// The column with the second text, where a row is a pair of texts; empty: rows are single texts.
    pub pair_column: String,
    /// The column with the labels; empty: inferred from the usual names.
    pub label_column: String,
    /// Columns of 0 and 1, one for each label, in the place of `label_column`; a row may then have several labels.
    pub label_columns: Vec<String>,
    /// Whether a row may have any number of labels, none included, rather than exactly one.
    pub multi_label: bool,
    /// What stands between the labels of a text such as `war,politics`; empty: a text is one label, and only a list (JSON,
    /// Parquet) has several. Only with `multi_label`.
    pub label_separator: String,
    /// The column whose equal values must stay on one side of the split; empty: none.
    pub group_column: String,
    /// The column with what each row counts for in training; empty: `weight`, if there is one; `none`: rows count alike.
    pub weight_column: String,
    /// What stands between the fields of CSV and TSV files: one ASCII character; empty: detected.
    pub separator: String,
    /// What encloses fields of CSV and TSV files: one ASCII character, or `none`; empty: `"`, and in a tab-separated file only
    /// if that makes sense of it.
    pub quote: String,
    /// The encoding of text files, by its name on the web (`windows-1252`, `shift_jis`); empty: UTF-8, UTF-16 or a guess.
    pub encoding: String,
    /// Whether the first line of CSV and TSV files names the columns: true, false, or `auto`. Without a header, columns are
    /// called `1`, `2`, ….
    pub header: Value,
    /// What stands for a missing value: in labels, groups and weights of any file, in CSV and TSV files in texts too.
    pub null_values: Vec<String>,
    /// Rows that cannot be read, as they have too many fields: `error`, or `drop`, which counts them.
    pub bad_rows: String,
    /// Keeps only the rows whose columns have these values (texts, numbers or booleans), compared as texts.
    pub filter: BTreeMap<String, Value>,
    /// Renames labels before anything else is done with them.
    pub rename_labels: BTreeMap<String, String>,
    /// Globs of the training files; empty: every file that is not a validation or test file.
    pub train_files: Vec<String>,
    /// Globs of the validation files.
    pub validation_files: Vec<String>,
    /// Globs of the test files.
    pub test_files: Vec<String>,
    /// Removes HTML tags and resolves entities.
    pub strip_html: bool,
    /// Unicode normalisation: `nfc`, `nfkc` or `none`.
    pub unicode: String,
    /// Removes control characters.
    pub strip_control: bool,
    /// Makes one space of every run of white space.
    pub collapse_whitespace: bool,
    /// Lower-cases the texts.
    pub lowercase: bool,
    /// Regular expressions whose matches are replaced, applied in order to the texts as the options above leave them.
    pub replace: Vec<ReplaceRule>,
    /// The same text twice with one label: `drop` or `keep`.
    pub duplicates: String,
    /// The same text under two labels, or two sets of them: `drop`, `majority`, `keep`, `error`, or, with `multi_label`,
    /// `union`.
    pub conflicts: String,
    /// Labels that differ only in case or surrounding space: `error` or `merge`.
    pub similar_labels: String,
    /// Fewest characters of a cleaned text, at least 1.
    pub min_characters: usize,
    /// Fewest rows of a label, at least 1.
    pub min_rows_per_label: usize,
}
