//! The decoded fields of a table, all in one text.

use std::collections::{BTreeMap, BTreeSet};

use csv::{ReaderBuilder, StringRecord, Terminator};

/// Rows of any number of fields.
#[derive(Debug, Default)]
pub(super) struct Cells {
    text: String,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
    /// Where each row's fields end in `ends`.
    rows: Vec<usize>,
}

impl Cells {
    /// Decodes records, given without their line ends.
    pub(super) fn decode<'a>(records: impl Iterator<Item = &'a str>, separator: u8, quote: Option<u8>) -> Self {
        let mut lines = String::new();
        records.for_each(|record| {
            lines.push_str(record);
            lines.push('\n');
        });
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .quoting(quote.is_some())
            .quote(quote.unwrap_or(b'"'))
            .terminator(Terminator::Any(b'\n'))
            .from_reader(lines.as_bytes());
        let mut cells = Self::default();
        let mut record = StringRecord::new();
        // Reading from memory cannot fail, and what was UTF-8 stays so between separators.
        while reader.read_record(&mut record).unwrap_or(false) {
            for field in &record {
                cells.text.push_str(field);
                cells.ends.push(cells.text.len());
            }
            cells.rows.push(cells.ends.len());
        }
        cells
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The number of fields in a row.
    pub(super) fn width(&self, row: usize) -> usize {
        self.rows.get(row).map_or(0, |end| end - self.start(row))
    }

    /// A field; empty if the row has no such field.
    pub(super) fn get(&self, row: usize, column: usize) -> &str {
        let index = self.start(row) + column;
        if column >= self.width(row) {
            return "";
        }
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|end| self.text.get(start..*end)).unwrap_or_default()
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = &str> {
        (0..self.width(row)).map(move |column| self.get(row, column))
    }

    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).and_then(|before| self.rows.get(before)).copied().unwrap_or(0)
    }

    /// What the values of a column in these rows have in common.
    pub(super) fn profile(&self, column: usize, rows: &[usize]) -> Profile<'_> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut characters = 0;
        for value in rows.iter().map(|row| self.get(*row, column)).filter(|value| !value.trim().is_empty()) {
            characters += value.chars().count();
            *counts.entry(value).or_default() += 1;
        }
        let filled: usize = counts.values().sum();
        let repeated = counts.iter().filter(|(_, count)| **count > 1).map(|(value, _)| *value).collect();
        Profile { filled, distinct: counts.len(), mean_length: characters as f64 / filled.max(1) as f64, repeated }
    }
}

/// What the values of a column have in common.
#[derive(Debug)]
pub(super) struct Profile<'a> {
    /// Rows with a value.
    filled: usize,
    distinct: usize,
    /// Characters in the mean.
    pub(super) mean_length: f64,
    /// Values that more than one row has.
    repeated: BTreeSet<&'a str>,
}

impl Profile<'_> {
    /// Whether the values are names of a few classes, as labels are: on average two rows at least have each.
    pub(super) fn is_categorical(&self) -> bool {
        self.distinct > 0 && self.distinct * 2 <= self.filled
    }

    /// Whether this is one of the values that a categorical column repeats.
    pub(super) fn repeats(&self, value: &str) -> bool {
        self.is_categorical() && self.repeated.contains(value)
    }
}
