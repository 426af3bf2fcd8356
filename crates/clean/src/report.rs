//! `report.json`: what became of every row that was read.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::nearest::{count, counted, short};
use crate::rows::{Loaded, Row, Source};

/// Rows listed for each reason.
const EXAMPLES: usize = 5;

/// Why a row was dropped, in the order of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Filter,
    MissingText,
    MissingLabel,
    EmptyText,
    TooShort,
    Duplicate,
    Conflict,
}

impl Reason {
    /// In a sentence about what was dropped.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Filter => "not what `filter` asks for",
            Self::MissingText => "without a text",
            Self::MissingLabel => "without a label",
            Self::EmptyText => "with nothing left of the text after cleaning",
            Self::TooShort => "with fewer than `min_characters` characters",
            Self::Duplicate => "with the text and label of an earlier row",
            Self::Conflict => "with a text that has several labels",
        }
    }
}

/// Dropped rows of one reason.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Dropped {
    pub(crate) rows: usize,
    why: &'static str,
    examples: Vec<Example>,
}

#[derive(Debug, Clone, Serialize)]
struct Example {
    id: u64,
    place: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
}

/// The report as it is built up, and as it is written.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) read: usize,
    pub(crate) kept: usize,
    pub(crate) dropped: BTreeMap<Reason, Dropped>,
    /// Rows by label, in the order of the label map.
    pub(crate) labels: Vec<LabelRows>,
    /// Rows that each rename touched.
    pub(crate) renamed: BTreeMap<String, usize>,
    /// Spellings that were made one label.
    pub(crate) merged_labels: BTreeMap<String, String>,
    /// Texts with several labels in one part, whatever was done about them.
    pub(crate) conflicting_texts: usize,
    /// Texts that stand in several given parts; the split stage takes them out.
    pub(crate) texts_in_several_parts: usize,
    /// Documents that are not UTF-8 and were taken for windows-1252.
    pub(crate) decoded_as_windows_1252: Vec<String>,
    pub(crate) ignored_files: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// Which ids are whose: ids count the rows of these, one after the other.
    pub(crate) sources: Vec<Source>,
}

/// Rows of a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct LabelRows {
    pub(crate) name: String,
    pub(crate) rows: usize,
}

impl Report {
    /// Keeps the rows that `keep` says, and notes the others.
    pub(crate) fn retain(&mut self, loaded: &mut Loaded, reason: Reason, mut keep: impl FnMut(&Row) -> bool) {
        let rows = std::mem::take(&mut loaded.rows);
        let (kept, gone): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| keep(row));
        loaded.rows = kept;
        for row in gone {
            let dropped = self.dropped.entry(reason).or_insert_with(|| Dropped {
                rows: 0,
                why: reason.why(),
                examples: Vec::new(),
            });
            dropped.rows += 1;
            if dropped.examples.len() < EXAMPLES {
                let text = short(row.text(), 60);
                dropped.examples.push(Example { id: row.id, place: loaded.place(&row), text });
            }
        }
    }

    /// What was dropped, in a sentence: `25,000 rows not what …; 8 rows with …`.
    pub(crate) fn drops(&self) -> String {
        let drops: Vec<_> =
            self.dropped.values().map(|drop| format!("{} {}", counted(drop.rows, "row"), drop.why)).collect();
        if drops.is_empty() { "nothing".to_owned() } else { drops.join("; ") }
    }

    /// A few lines for people.
    pub(crate) fn summary(&self) -> Vec<String> {
        let labels: Vec<_> = self
            .labels
            .iter()
            .take(20)
            .map(|label| format!("{} {}", short(&label.name, 40), count(label.rows)))
            .collect();
        let more =
            if self.labels.len() > 20 { format!(", and {} more", self.labels.len() - 20) } else { String::new() };
        let mut lines = vec![
            format!("read {}, kept {}; dropped: {}", counted(self.read, "row"), count(self.kept), self.drops()),
            format!("{}: {}{more}", counted(self.labels.len(), "label"), labels.join(", ")),
        ];
        if !self.decoded_as_windows_1252.is_empty() {
            lines.push(format!(
                "{} not UTF-8, read as windows-1252",
                counted(self.decoded_as_windows_1252.len(), "document")
            ));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines
    }
}
