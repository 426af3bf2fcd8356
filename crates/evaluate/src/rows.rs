//! The rows of a part: read, checked, and put in the order of their ids.

use std::path::Path;

use firebrand_dataset::{Example, TokenRow, read_examples, read_tokens};
use firebrand_pipeline::{Error, Result};

/// A part of the data, column by column, in the order of the ids.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rows {
    pub(crate) ids: Vec<u64>,
    /// Each row's text; of a pair both, with a space between them.
    texts: Vec<String>,
    /// Where in its text a pair's second text begins.
    seconds: Vec<Option<usize>>,
    /// Index of each row's label.
    pub(crate) truth: Vec<u32>,
    /// What each row counts for in training.
    pub(crate) weights: Vec<f32>,
}

impl Rows {
    /// Reads a part that the split stage wrote. Every row must have one label below `classes`.
    ///
    /// # Errors
    /// When the file cannot be read, has no rows, an id twice, or a row with other labels.
    pub(crate) fn read(path: &Path, classes: usize) -> Result<Self> {
        Self::new(read_examples(path)?, classes, path)
    }

    fn new(mut examples: Vec<Example>, classes: usize, path: &Path) -> Result<Self> {
        if examples.is_empty() {
            return Err(Error::data(format!("{} has no rows", path.display()))
                .hint("raise the part's share in [split], or bring more data"));
        }
        examples.sort_by_key(|example| example.id);
        if let Some(twice) = examples.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(Error::data(format!("{} has the id {} twice", path.display(), twice[0].id))
                .hint("the clean stage gives every row its own id"));
        }
        let mut rows = Self::default();
        for example in examples {
            rows.truth.push(only_label(&example.labels, example.id, classes, path)?);
            rows.ids.push(example.id);
            let mut text = example.text;
            let second = example.pair.map(|pair| {
                text.push(' ');
                let place = text.len();
                text.push_str(&pair);
                place
            });
            rows.texts.push(text);
            rows.seconds.push(second);
            rows.weights.push(example.weight);
        }
        Ok(rows)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The text of a row, and the second one of a pair.
    pub(crate) fn text(&self, row: usize) -> (&str, Option<&str>) {
        let text = self.texts[row].as_str();
        match self.seconds[row] {
            Some(second) => (&text[..second - 1], Some(&text[second..])),
            None => (text, None),
        }
    }

    /// The texts, each pair as one: what the baselines read.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Rows of each label.
    pub(crate) fn per_label(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for &label in &self.truth {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Reads the part's tokens, in the order of these rows.
    ///
    /// # Errors
    /// When the file cannot be read or is not about the same rows.
    pub(crate) fn read_tokens(&self, path: &Path) -> Result<Vec<TokenRow>> {
        self.align(read_tokens(path)?, path)
    }

    fn align(&self, mut tokens: Vec<TokenRow>, path: &Path) -> Result<Vec<TokenRow>> {
        tokens.sort_by_key(|row| row.id);
        let stale = |problem: String| {
            Error::data(format!("{} is not about the rows of the split: {problem}", path.display()))
                .hint("run `cargo xtask stage tokenize --force` to make it again")
        };
        if tokens.len() != self.len() {
            return Err(stale(format!("{} rows instead of {}", tokens.len(), self.len())));
        }
        for ((row, &id), &label) in tokens.iter().zip(&self.ids).zip(&self.truth) {
            if row.id != id {
                return Err(stale(format!("the id {} is missing", id.min(row.id))));
            }
            if row.labels != [label] {
                return Err(stale(format!("row {id} has the labels {:?} instead of [{label}]", row.labels)));
            }
        }
        Ok(tokens)
    }

    /// Rows from (id, text, label).
    #[cfg(test)]
    pub(crate) fn of(rows: impl IntoIterator<Item = (u64, String, u32)>) -> Self {
        let mut made = Self::default();
        for (id, text, label) in rows {
            made.ids.push(id);
            made.texts.push(text);
            made.seconds.push(None);
            made.truth.push(label);
            made.weights.push(1.0);
        }
        made
    }
}

/// The one label of a row.
fn only_label(labels: &[u32], id: u64, classes: usize, path: &Path) -> Result<u32> {
    match labels {
        &[label] if (label as usize) < classes => Ok(label),
        [label] => Err(Error::data(format!(
            "{}: row {id} has the label {label}, but labels.json has {classes} (0 to {})",
            path.display(),
            classes - 1
        ))
        .hint("split and clean are from different runs: run `cargo xtask pipeline --from clean --force`")),
        _ => Err(Error::data(format!("{}: row {id} has {} labels instead of one", path.display(), labels.len()))
            .hint("this stage measures classifiers with one label per row")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(id: u64, labels: &[u32]) -> Example {
        Example {
            id,
            text: format!("text {id}"),
            pair: None,
            labels: labels.to_vec(),
            group: None,
            weight: 1.0,
            part: None,
        }
    }

    fn token_row(id: u64, label: u32) -> TokenRow {
        TokenRow { id, ids: vec![1, 2], type_ids: vec![0, 0], labels: vec![label], weight: 1.0, cut: 0 }
    }

    fn refused(examples: Vec<Example>) -> String {
        Rows::new(examples, 2, Path::new("test.parquet")).unwrap_err().message().to_owned()
    }

    #[test]
    fn rows_come_in_the_order_of_their_ids() {
        let rows = Rows::new(vec![example(7, &[1]), example(3, &[0])], 2, Path::new("test.parquet")).unwrap();
        assert_eq!(rows.ids, [3, 7]);
        assert_eq!(rows.truth, [0, 1]);
        assert_eq!(rows.text(1), ("text 7", None));
        assert_eq!(rows.per_label(3), [1, 1, 0]);
    }

    #[test]
    fn a_pair_is_one_text_to_the_baselines_and_two_to_people() {
        let pair =
            |text: &str, pair: &str| Example { text: text.to_owned(), pair: Some(pair.to_owned()), ..example(0, &[0]) };
        let rows = vec![pair("größe", "übel"), Example { id: 1, ..pair("", "b") }, example(2, &[0])];
        let rows = Rows::new(rows, 2, Path::new("test.parquet")).unwrap();
        assert_eq!(rows.texts().collect::<Vec<_>>(), ["größe übel", " b", "text 2"]);
        assert_eq!([0, 1, 2].map(|row| rows.text(row)), [("größe", Some("übel")), ("", Some("b")), ("text 2", None)]);
    }

    #[test]
    fn rows_that_cannot_be_measured_are_named() {
        assert_eq!(refused(vec![]), "test.parquet has no rows");
        assert_eq!(refused(vec![example(1, &[0]), example(1, &[0])]), "test.parquet has the id 1 twice");
        assert_eq!(refused(vec![example(1, &[0, 1])]), "test.parquet: row 1 has 2 labels instead of one");
        assert_eq!(refused(vec![example(1, &[])]), "test.parquet: row 1 has 0 labels instead of one");
        assert_eq!(
            refused(vec![example(4, &[2])]),
            "test.parquet: row 4 has the label 2, but labels.json has 2 (0 to 1)"
        );
    }

    #[test]
    fn tokens_of_other_rows_are_refused() {
        let rows = Rows::new(vec![example(3, &[0]), example(7, &[1])], 2, Path::new("test.parquet")).unwrap();
        let align = |tokens: Vec<TokenRow>| rows.align(tokens, Path::new("tokens.parquet"));
        let fine = align(vec![token_row(7, 1), token_row(3, 0)]).unwrap();
        assert_eq!(fine.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 7]);
        let refused = |tokens| align(tokens).unwrap_err().message().to_owned();
        assert!(refused(vec![token_row(3, 0)]).ends_with("1 rows instead of 2"));
        assert!(refused(vec![token_row(3, 0), token_row(8, 1)]).ends_with("the id 7 is missing"));
        assert!(refused(vec![token_row(3, 1), token_row(7, 1)]).ends_with("has the labels [1] instead of [0]"));
    }
}
