//! Rows with equal tokens: under different labels, or in both the test and the training split.
//!
//! The usual cause is unknown characters (an emoji that decides the label is `[UNK]` in BERT's vocabulary); other causes
//! are lower-casing and truncation. No model can tell such rows apart.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use firebrand_dataset::{Part, TokenRow};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

/// Groups rows of all splits by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<u128, Group>,
    rows: usize,
}

#[derive(Debug)]
struct Group {
    first: Row,
    labels: Vec<u32>,
    /// The first row with other labels than `first`.
    other: Option<Row>,
    rows: usize,
    in_train: bool,
    test_rows: usize,
    has_unknown: bool,
}

/// A row of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) part: Part,
    pub(crate) id: u64,
}

/// Counts of such rows, for `report.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Ambiguity {
    /// Number of rows of all splits.
    pub(crate) rows: usize,
    /// Number of rows with the same tokens as a row with other labels.
    pub(crate) ambiguous_rows: usize,
    /// Number of test rows.
    pub(crate) test_rows: usize,
    /// Number of test rows with the same tokens as a training row.
    pub(crate) test_rows_in_train: usize,
    /// Two ambiguous rows; `None` if there are none.
    pub(crate) example: Option<EqualRows>,
}

/// Two rows with the same tokens and different labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EqualRows {
    /// Their ids.
    pub(crate) rows: [u64; 2],
    /// Their texts; the two texts of a pair are separated by a tab.
    pub(crate) texts: [String; 2],
    /// The names of their labels.
    pub(crate) labels: [Vec<String>; 2],
    /// The tokens of both rows.
    pub(crate) tokens: Vec<String>,
    /// Parts of the texts that are unknown to the vocabulary.
    pub(crate) unknown: Vec<String>,
    /// Whether the texts were truncated, and may differ after the last token.
    pub(crate) truncated: bool,
}

impl Groups {
    /// Adds a split's rows.
    pub(crate) fn add(&mut self, part: Part, rows: &[TokenRow], unknown_id: Option<u32>) {
        self.rows += rows.len();
        for row in rows {
            let mut labels = row.labels.clone();
            labels.sort_unstable();
            let here = Row { part, id: row.id };
            let group = self.groups.entry(fingerprint(row)).or_insert_with(|| Group {
                first: here,
                labels: labels.clone(),
                other: None,
                rows: 0,
                in_train: false,
                test_rows: 0,
                has_unknown: unknown_id.is_some_and(|unknown| row.ids.contains(&unknown)),
            });
            group.rows += 1;
            group.in_train |= part == Part::Train;
            group.test_rows += usize::from(part == Part::Test);
            if group.other.is_none() && group.labels != labels {
                group.other = Some(here);
            }
        }
    }

    /// The counts, and two ambiguous rows as an example, preferably with unknown tokens.
    pub(crate) fn finish(&self) -> (Ambiguity, Option<[Row; 2]>) {
        let ambiguous = || self.groups.values().filter(|group| group.other.is_some());
        let test = || self.groups.values().filter(|group| group.test_rows > 0);
        let ambiguity = Ambiguity {
            rows: self.rows,
            ambiguous_rows: ambiguous().map(|group| group.rows).sum(),
            test_rows: test().map(|group| group.test_rows).sum(),
            test_rows_in_train: test().filter(|group| group.in_train).map(|group| group.test_rows).sum(),
            example: None,
        };
        // The order of a hash map differs from run to run; the order of the rows does not.
        let best = ambiguous().min_by_key(|group| (!group.has_unknown, group.first.part, group.first.id));
        (ambiguity, best.and_then(|group| Some([group.first, group.other?])))
    }
}

impl Ambiguity {
    /// Share of rows from which on the message is a warning: most data has a few such rows.
    const WARNING_SHARE: f64 = 0.01;

    /// A message about ambiguous rows; `None` if there are none.
    pub(crate) fn about_labels(&self) -> Option<String> {
        let example = self.example.as_ref()?;
        let [first, second] = &example.labels;
        let labels = |names: &[String]| format!("`{}`", names.join("`, `"));
        let [one, other] = excerpts(&example.texts);
        let mut text = format!(
            "{} of {} rows have the same tokens as a row with another label, so no model can tell them apart: for example \
             {one:?} ({}) and {other:?} ({})",
            self.ambiguous_rows,
            self.rows,
            labels(first),
            labels(second),
        );
        if !example.unknown.is_empty() {
            let unknown: Vec<&str> = example.unknown.iter().map(String::as_str).take(8).collect();
            text += &format!("; unknown to the vocabulary: {}", unknown.join(" "));
            text += "; use a model whose vocabulary has them, or replace them with words (`clean.replace`)";
        } else if example.truncated {
            text += "; they differ after the last token: raise `tokenize.max_length`";
        }
        Some(text)
    }

    /// A message about test rows with the tokens of a training row; `None` if there are none.
    pub(crate) fn about_test_rows(&self) -> Option<String> {
        (self.test_rows_in_train > 0).then(|| {
            format!(
                "{} of {} test rows have the same tokens as a training row",
                self.test_rows_in_train, self.test_rows
            )
        })
    }

    /// Whether there are enough ambiguous rows for a warning.
    pub(crate) fn is_notable(&self) -> bool {
        self.ambiguous_rows as f64 >= Self::WARNING_SHARE * self.rows as f64
    }
}

/// A hash of a row's tokens. 128 bits make a collision among a billion rows unlikely.
fn fingerprint(row: &TokenRow) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &row.ids, &row.type_ids).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}

/// Two texts from shortly before the place where they differ, for a message.
fn excerpts(texts: &[String; 2]) -> [String; 2] {
    const BEFORE: usize = 30;
    const MOST: usize = 60;
    // Grapheme clusters: many emoji are several code points.
    let [first, second] = texts.each_ref().map(|text| text.graphemes(true).collect::<Vec<_>>());
    let common = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
    let start = common.saturating_sub(BEFORE);
    [first, second].map(|text| {
        let rest = &text[start..];
        let ellipsis = |cut: bool| if cut { "…" } else { "" };
        format!("{}{}{}", ellipsis(start > 0), rest[..rest.len().min(MOST)].concat(), ellipsis(rest.len() > MOST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, ids: &[u32], labels: &[u32]) -> TokenRow {
        TokenRow { id, ids: ids.to_vec(), type_ids: vec![0; ids.len()], labels: labels.to_vec(), weight: 1.0, cut: 0 }
    }

    #[test]
    fn rows_with_equal_tokens_are_counted() {
        let mut groups = Groups::default();
        let train =
            [row(0, &[2, 5, 3], &[0]), row(1, &[2, 5, 3], &[1]), row(2, &[2, 6, 3], &[0]), row(3, &[2, 1, 3], &[1])];
        groups.add(Part::Train, &train, Some(1));
        groups.add(Part::Validation, &[row(4, &[2, 7, 3], &[0, 1])], Some(1));
        groups.add(
            Part::Test,
            &[row(5, &[2, 1, 3], &[0]), row(6, &[2, 6, 3], &[0]), row(7, &[2, 7, 3], &[1, 0])],
            Some(1),
        );
        let (ambiguity, example) = groups.finish();
        let expected = Ambiguity { rows: 8, ambiguous_rows: 4, test_rows: 3, test_rows_in_train: 2, example: None };
        assert_eq!(ambiguity, expected);
        // Rows with an unknown token are the most instructive example.
        assert_eq!(example.unwrap().map(|row| (row.part, row.id)), [(Part::Train, 3), (Part::Test, 5)]);
        assert!(ambiguity.is_notable());
        assert!(ambiguity.about_test_rows().unwrap().starts_with("2 of 3 test rows"));
    }

    #[test]
    fn excerpts_show_the_difference() {
        let excerpts = |a: &str, b: &str| excerpts(&[a.to_owned(), b.to_owned()]);
        assert_eq!(
            excerpts("so 👨\u{200d}👩\u{200d}👧", "so 👨\u{200d}👩\u{200d}👦"),
            ["so 👨\u{200d}👩\u{200d}👧", "so 👨\u{200d}👩\u{200d}👦"]
        );
        let long = "word ".repeat(50);
        let [first, second] = excerpts(&format!("{long}😀 {long}"), &long);
        assert!(first.starts_with("…word ") && first.contains("word 😀 word") && first.ends_with('…'), "{first}");
        assert!(second.starts_with("…word ") && second.ends_with("word "), "{second}");
    }

    #[test]
    fn distinct_rows_are_not_reported() {
        let mut groups = Groups::default();
        groups.add(Part::Train, &[row(0, &[2, 5, 3], &[0]), row(1, &[2, 5], &[1])], None);
        // Pairs differ in their token types.
        groups.add(Part::Test, &[TokenRow { type_ids: vec![0, 1, 1], ..row(2, &[2, 5, 3], &[1]) }], None);
        let (ambiguity, example) = groups.finish();
        assert_eq!((ambiguity.ambiguous_rows, ambiguity.test_rows_in_train, example), (0, 0, None));
        assert_eq!((ambiguity.about_labels(), ambiguity.about_test_rows()), (None, None));
    }
}
