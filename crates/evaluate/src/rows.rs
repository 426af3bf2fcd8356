//! The rows of a split: read, validated, and sorted by id.

use std::path::Path;

use firebrand_dataset::{Example, LabelMap, TokenRow, read_examples, read_tokens};
use firebrand_metrics::Units;
use firebrand_pipeline::{Error, Result};

/// A split, column by column, sorted by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rows {
    pub(crate) ids: Vec<u64>,
    /// The text of each row; the two texts of a pair are joined with a space.
    texts: Vec<String>,
    /// Byte offset of a pair's second text in its row's text.
    seconds: Vec<Option<usize>>,
    /// Label indices of each row: exactly one, or any number if the label map is multi-label.
    pub(crate) truth: Vec<Vec<u32>>,
    /// The weight of each row in the training loss.
    pub(crate) weights: Vec<f32>,
    /// The group of each row, if it has one; rows of a group are not independent.
    groups: Vec<Option<String>>,
}

impl Rows {
    /// Reads a split. Every row's labels must be in the label map.
    ///
    /// # Errors
    /// When the file cannot be read or has no rows, when an id occurs twice, or when a row has invalid labels.
    pub(crate) fn read(path: &Path, labels: &LabelMap) -> Result<Self> {
        Self::new(read_examples(path)?, labels, path)
    }

    fn new(mut examples: Vec<Example>, labels: &LabelMap, path: &Path) -> Result<Self> {
        if examples.is_empty() {
            return Err(
                Error::data(format!("{} has no rows", path.display())).hint("raise its share in [split], or add data")
            );
        }
        examples.sort_by_key(|example| example.id);
        if let Some(twice) = examples.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(Error::data(format!("{} has the id {} twice", path.display(), twice[0].id))
                .hint("the clean stage gives every row its own id"));
        }
        let mut rows = Self::default();
        for example in examples {
            if let Some(problem) = labels.problem_of(&example.labels) {
                return Err(Error::data(format!("{}: row {} {problem}", path.display(), example.id))
                    .hint("split and clean are from different runs: run `cargo xtask pipeline --from clean --force`"));
            }
            rows.truth.push(example.labels);
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
            rows.groups.push(example.group);
        }
        Ok(rows)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// A row's text, and the second text if it is a pair.
    pub(crate) fn text(&self, row: usize) -> (&str, Option<&str>) {
        let text = self.texts[row].as_str();
        match self.seconds[row] {
            Some(second) => (&text[..second - 1], Some(&text[second..])),
            None => (text, None),
        }
    }

    /// The texts for the baselines, each pair joined into one.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Number of rows per label.
    pub(crate) fn per_label(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for &label in self.truth.iter().flatten() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Number of rows without labels.
    pub(crate) fn unlabelled(&self) -> u64 {
        self.truth.iter().filter(|labels| labels.is_empty()).count() as u64
    }

    /// Every `step`th row.
    pub(crate) fn every(&self, step: usize) -> Self {
        Self {
            ids: self.ids.iter().step_by(step).copied().collect(),
            texts: self.texts.iter().step_by(step).cloned().collect(),
            seconds: self.seconds.iter().step_by(step).copied().collect(),
            truth: self.truth.iter().step_by(step).cloned().collect(),
            weights: self.weights.iter().step_by(step).copied().collect(),
            groups: self.groups.iter().step_by(step).cloned().collect(),
        }
    }

    /// Sampling units for the bootstrap: rows, or groups of rows.
    pub(crate) fn units(&self) -> Units {
        Units::groups(self.groups.iter().map(Option::as_deref))
    }

    /// Reads the split's tokens, in the order of these rows.
    ///
    /// # Errors
    /// When the file cannot be read or contains other rows.
    pub(crate) fn read_tokens(&self, path: &Path) -> Result<Vec<TokenRow>> {
        self.align(read_tokens(path)?, path)
    }

    fn align(&self, mut tokens: Vec<TokenRow>, path: &Path) -> Result<Vec<TokenRow>> {
        tokens.sort_by_key(|row| row.id);
        let stale = |problem: String| {
            Error::data(format!("{} does not match the rows of the split: {problem}", path.display()))
                .hint("run `cargo xtask stage tokenize --force` to create it again")
        };
        if tokens.len() != self.len() {
            return Err(stale(format!("{} rows instead of {}", tokens.len(), self.len())));
        }
        for ((row, &id), labels) in tokens.iter().zip(&self.ids).zip(&self.truth) {
            if row.id != id {
                return Err(stale(format!("the id {} is missing", id.min(row.id))));
            }
            if row.labels != *labels {
                return Err(stale(format!("row {id} has the labels {:?} instead of {labels:?}", row.labels)));
            }
        }
        Ok(tokens)
    }

    /// The same rows, with the text of one row replaced.
    #[cfg(test)]
    pub(crate) fn with_text(mut self, row: usize, text: &str) -> Self {
        self.texts[row] = text.to_owned();
        self
    }

    /// Rows from (id, text, label).
    #[cfg(test)]
    pub(crate) fn of(rows: impl IntoIterator<Item = (u64, String, u32)>) -> Self {
        let mut made = Self::default();
        for (id, text, label) in rows {
            made.ids.push(id);
            made.texts.push(text);
            made.seconds.push(None);
            made.truth.push(vec![label]);
            made.weights.push(1.0);
            made.groups.push(None);
        }
        made
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

    fn labels() -> LabelMap {
        LabelMap::new(vec!["no".to_owned(), "yes".to_owned()]).unwrap()
    }

    #[test]
    fn multi_label_rows_are_read_if_the_map_is_multi_label() {
        let examples = vec![example(1, &[0, 1]), example(2, &[])];
        let rows = Rows::new(examples, &labels().with_multi_label(true), Path::new("test.parquet")).unwrap();
        assert_eq!((rows.per_label(2), rows.unlabelled()), (vec![1, 1], 1));
    }

    fn token_row(id: u64, label: u32) -> TokenRow {
        TokenRow { id, ids: vec![1, 2], type_ids: vec![0, 0], labels: vec![label], weight: 1.0, cut: 0 }
    }

    fn refused(examples: Vec<Example>) -> String {
        Rows::new(examples, &labels(), Path::new("test.parquet")).unwrap_err().message().to_owned()
    }

    #[test]
    fn rows_are_sorted_by_id() {
        let rows = Rows::new(vec![example(7, &[1]), example(3, &[0])], &labels(), Path::new("test.parquet")).unwrap();
        assert_eq!(rows.ids, [3, 7]);
        assert_eq!(rows.truth, [[0], [1]]);
        assert_eq!(rows.text(1), ("text 7", None));
        assert_eq!(rows.per_label(3), [1, 1, 0]);
    }

    #[test]
    fn pairs_are_joined_for_the_baselines_only() {
        let pair =
            |text: &str, pair: &str| Example { text: text.to_owned(), pair: Some(pair.to_owned()), ..example(0, &[0]) };
        let rows = vec![pair("größe", "übel"), Example { id: 1, ..pair("", "b") }, example(2, &[0])];
        let rows = Rows::new(rows, &labels(), Path::new("test.parquet")).unwrap();
        assert_eq!(rows.texts(), ["größe übel", " b", "text 2"]);
        assert_eq!([0, 1, 2].map(|row| rows.text(row)), [("größe", Some("übel")), ("", Some("b")), ("text 2", None)]);
    }

    #[test]
    fn invalid_rows_are_named() {
        assert_eq!(refused(vec![]), "test.parquet has no rows");
        assert_eq!(refused(vec![example(1, &[0]), example(1, &[0])]), "test.parquet has the id 1 twice");
        assert_eq!(refused(vec![example(1, &[0, 1])]), "test.parquet: row 1 has 2 labels [0, 1]");
        assert_eq!(refused(vec![example(1, &[])]), "test.parquet: row 1 has no label");
        assert_eq!(
            refused(vec![example(4, &[2])]),
            "test.parquet: row 4 has the label 2, but labels.json has 2 (from 0)"
        );
    }

    #[test]
    fn tokens_of_other_rows_are_refused() {
        let rows = Rows::new(vec![example(3, &[0]), example(7, &[1])], &labels(), Path::new("test.parquet")).unwrap();
        let align = |tokens: Vec<TokenRow>| rows.align(tokens, Path::new("tokens.parquet"));
        let fine = align(vec![token_row(7, 1), token_row(3, 0)]).unwrap();
        assert_eq!(fine.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 7]);
        let refused = |tokens| align(tokens).unwrap_err().message().to_owned();
        assert!(refused(vec![token_row(3, 0)]).ends_with("1 rows instead of 2"));
        assert!(refused(vec![token_row(3, 0), token_row(8, 1)]).ends_with("the id 7 is missing"));
        assert!(refused(vec![token_row(3, 1), token_row(7, 1)]).ends_with("has the labels [1] instead of [0]"));
    }
}
