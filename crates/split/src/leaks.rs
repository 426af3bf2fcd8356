//! Leakage: training rows that repeat rows of the evaluation splits.

use std::collections::HashMap;

use firebrand_dataset::{Example, Part};
use serde::Serialize;

/// Texts with the same key count as equal: lower case, white space collapsed.
pub(crate) fn key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(&word.to_lowercase());
    }
    key
}

/// The key of a row's text, or of both texts of a pair.
pub(crate) fn key_of(row: &Example) -> String {
    let mut key = key(&row.text);
    if let Some(pair) = &row.pair {
        // Keys contain no line break, so `a b` and `c` differ from `a` and `b c`.
        key.push('\n');
        key.push_str(&self::key(pair));
    }
    key
}

/// A row that was removed because a given validation or test split has its text or group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Leak {
    /// The removed row.
    pub(crate) id: u64,
    /// A row of that split with the same text or group.
    pub(crate) repeats: u64,
    /// That split.
    pub(crate) of: &'static str,
    /// What the two have in common.
    pub(crate) same: Same,
}

/// What two rows have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Same {
    Text,
    Group,
}

/// The leak of every row that has to be removed. A given test split is kept as it is, a given validation split loses what
/// test has, and all other rows lose what either has.
pub(crate) fn find(rows: &[Example], keys: &[String]) -> Vec<Option<Leak>> {
    let mut leaks = vec![None; rows.len()];
    let mut held = HeldOut::default();
    for part in [Some(Part::Test), Some(Part::Validation), None] {
        let these: Vec<usize> = (0..rows.len()).filter(|&row| held_out(&rows[row]) == part).collect();
        for &row in &these {
            leaks[row] = held.leak(&rows[row], &keys[row]);
        }
        // Added only now, because a split may contain duplicates, and a removed row must not remove others.
        if let Some(part) = part {
            for &row in these.iter().filter(|&&row| leaks[row].is_none()) {
                held.add(&rows[row], &keys[row], part);
            }
        }
    }
    leaks
}

/// The given split of a row, if it is validation or test.
fn held_out(row: &Example) -> Option<Part> {
    row.part.filter(|part| *part != Part::Train)
}

/// Texts and groups that are held out.
#[derive(Debug, Default)]
struct HeldOut<'a> {
    texts: HashMap<&'a str, (u64, Part)>,
    groups: HashMap<&'a str, (u64, Part)>,
}

impl<'a> HeldOut<'a> {
    fn add(&mut self, row: &'a Example, key: &'a str, part: Part) {
        self.texts.entry(key).or_insert((row.id, part));
        if let Some(group) = &row.group {
            self.groups.entry(group).or_insert((row.id, part));
        }
    }

    fn leak(&self, row: &Example, key: &str) -> Option<Leak> {
        let text = self.texts.get(key).map(|held| (held, Same::Text));
        let group = || row.group.as_deref().and_then(|group| self.groups.get(group)).map(|held| (held, Same::Group));
        let (&(repeats, part), same) = text.or_else(group)?;
        Some(Leak { id: row.id, repeats, of: part.name(), same })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{row, rows};

    #[test]
    fn keys_ignore_case_and_white_space() {
        assert_eq!(key("  Ein\u{a0}GUTER\n\tFilm "), "ein guter film");
        assert_eq!(key("ÉTÉ  Ωμέγα"), key("été ωμέγα"));
        assert_ne!(key("a b"), key("ab"));
        assert_eq!(key(" \n"), "");
    }

    #[test]
    fn both_texts_of_a_pair_count() {
        let pair = |text: &str, pair: Option<&str>| {
            key_of(&Example { pair: pair.map(str::to_owned), ..rows(&[row(text, 0)]).remove(0) })
        };
        assert_eq!(pair("A  b", Some(" C")), pair("a B", Some("c\n")));
        let different = [
            pair("a b", Some("c")),
            pair("a", Some("b c")),
            pair("a b c", None),
            pair("c", Some("a b")),
            pair("a b", None),
        ];
        let distinct: std::collections::BTreeSet<_> = different.iter().collect();
        assert_eq!(distinct.len(), different.len(), "{different:?}");
        assert_ne!(pair("a", Some("")), pair("a", None));
    }

    #[test]
    fn rows_of_evaluation_splits_are_removed_from_earlier_splits() {
        let rows = rows(&[
            row("in test", 0).part(Part::Test),
            row("In  Test", 0).part(Part::Test),
            row("IN TEST", 0).part(Part::Validation),
            row("in validation", 1).part(Part::Validation).group("g"),
            row("in test ", 0).part(Part::Train),
            row("in  validation", 1),
            row("another", 1).group("g"),
            row("mine", 1).group("h"),
        ]);
        let keys: Vec<String> = rows.iter().map(|row| key(&row.text)).collect();
        let leak = |id, repeats, of, same| Some(Leak { id, repeats, of, same });
        let expected = vec![
            None,
            None,
            leak(2, 0, "test", Same::Text),
            None,
            leak(4, 0, "test", Same::Text),
            leak(5, 3, "validation", Same::Text),
            leak(6, 3, "validation", Same::Group),
            None,
        ];
        assert_eq!(find(&rows, &keys), expected);
    }

    #[test]
    fn a_removed_row_removes_no_others() {
        // Row 1 is removed because of row 0, so its group is not held out.
        let rows = rows(&[
            row("a", 0).part(Part::Test),
            row("a", 0).part(Part::Validation).group("g"),
            row("b", 0).group("g"),
        ]);
        let keys: Vec<String> = rows.iter().map(|row| key(&row.text)).collect();
        let gone: Vec<bool> = find(&rows, &keys).iter().map(Option::is_some).collect();
        assert_eq!(gone, [false, true, false]);
    }
}
