//! The report: what happened to every row.

use std::collections::{BTreeMap, BTreeSet};

use firebrand_pipeline::{Error, StageIo, thousands};
use firebrand_tables::wording::{counted, listed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::files::SourceFile;
use crate::rows::Place;

/// Why a row was dropped, in the order of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    BadRow,
    Filter,
    MissingText,
    MissingLabel,
    HiddenLabel,
    TooShort,
    Duplicate,
    Conflict,
    Joined,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::BadRow,
        Self::Filter,
        Self::MissingText,
        Self::MissingLabel,
        Self::HiddenLabel,
        Self::TooShort,
        Self::Duplicate,
        Self::Conflict,
        Self::Joined,
    ];

    /// The name in the report.
    const fn name(self) -> &'static str {
        match self {
            Self::BadRow => "bad_row",
            Self::Filter => "filter",
            Self::MissingText => "missing_text",
            Self::MissingLabel => "missing_label",
            Self::HiddenLabel => "hidden_label",
            Self::TooShort => "too_short",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Joined => "joined",
        }
    }

    /// The reason in words.
    const fn words(self) -> &'static str {
        match self {
            Self::BadRow => "unreadable",
            Self::Filter => "excluded by the filter",
            Self::MissingText => "without text",
            Self::MissingLabel => "without label",
            Self::HiddenLabel => "with a hidden label",
            Self::TooShort => "too short",
            Self::Duplicate => "duplicated",
            Self::Conflict => "with conflicting labels",
            Self::Joined => "merged into another row with the same text",
        }
    }
}

/// Examples listed per reason.
const SHOWN: usize = 5;

/// Row counts, with a few example rows for each reason.
#[derive(Debug, Default)]
pub(crate) struct Report {
    read: u64,
    dropped: BTreeMap<Reason, Dropped>,
    columns: Vec<ColumnNames>,
    guessed: u64,
    pub(crate) renamed: u64,
    /// Spelling, name it was merged into, rows.
    pub(crate) merged: Vec<(String, String, u64)>,
    /// Original label, normalised label, rows.
    pub(crate) cleaned: Vec<(String, String, u64)>,
    pub(crate) conflicting_texts: u64,
    /// Null markers found as labels, with their row counts.
    null_labels: BTreeMap<String, u64>,
    /// Notes, each with its files if it may apply to several.
    notes: Vec<(String, Vec<String>)>,
    warnings: Vec<String>,
}

/// The names of the columns that were read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ColumnNames {
    pub(crate) text: String,
    pub(crate) pair: Option<String>,
    pub(crate) label: String,
    pub(crate) group: Option<String>,
    pub(crate) weight: Option<String>,
}

#[derive(Debug, Default)]
struct Dropped {
    rows: u64,
    examples: Vec<(u64, Place, String)>,
}

impl Report {
    /// Counts a row that was read and returns its id.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.read += 1;
        self.read - 1
    }

    /// Counts a dropped row.
    pub(crate) fn drop(&mut self, reason: Reason, id: u64, place: Place, why: impl FnOnce() -> String) {
        let dropped = self.dropped.entry(reason).or_default();
        dropped.rows += 1;
        if dropped.examples.len() < SHOWN {
            dropped.examples.push((id, place, why()));
        }
    }

    /// Records which columns were read; equal ones of several files are recorded once.
    pub(crate) fn columns(&mut self, columns: ColumnNames) {
        if !self.columns.contains(&columns) {
            self.columns.push(columns);
        }
    }

    /// Counts labels that stand for missing ones.
    pub(crate) fn null_labels(&mut self, nulls: BTreeMap<String, u64>) {
        nulls.into_iter().for_each(|(value, rows)| *self.null_labels.entry(value).or_default() += rows);
    }

    /// Adds a note about how ambiguous input was interpreted.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push((note, Vec::new()));
    }

    /// Adds a note about a file; the same note about several files is shown once.
    pub(crate) fn note_for_files(&mut self, note: String, file: &str) {
        match self.notes.iter_mut().find(|(known, files)| *known == note && !files.is_empty()) {
            Some((_, files)) => files.push(file.to_owned()),
            None => self.notes.push((note, vec![file.to_owned()])),
        }
    }

    /// All notes as text.
    fn notes(&self) -> Vec<String> {
        let note = |(note, files): &(String, Vec<String>)| match files.as_slice() {
            [] => note.clone(),
            [file] => format!("{file}: {note}"),
            [file, more @ ..] => format!("{file} and {}: {note}", counted(more.len(), "other file")),
        };
        let mut notes: Vec<String> = self.notes.iter().map(note).collect();
        if !self.null_labels.is_empty() {
            let each = self.null_labels.iter().map(|(value, rows)| format!("\"{value}\" ({})", counted_rows(*rows)));
            notes.push(format!(
                "labels that stand for a missing value are read as missing: {} (`null_values` below [clean] lists them)",
                each.collect::<Vec<_>>().join(", ")
            ));
        }
        let weights: BTreeSet<&str> = self.columns.iter().filter_map(|columns| columns.weight.as_deref()).collect();
        if !weights.is_empty() {
            notes.push(format!("rows are weighted in training by the column {}", listed(weights)));
        }
        notes
    }

    /// Counts a document whose encoding was guessed.
    pub(crate) fn guessed(&mut self, guessed: bool) {
        self.guessed += u64::from(guessed);
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Adds the warnings to an error as hints, since they may explain it.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.warnings.iter().fold(error, |error, warning| error.hint(warning))
    }

    /// How many rows were read, and how many were dropped for which reason.
    pub(crate) fn summary(&self) -> String {
        let dropped =
            self.dropped.iter().map(|(reason, dropped)| format!("{} {}", thousands(dropped.rows), reason.words()));
        let dropped = dropped.collect::<Vec<_>>().join(", ");
        let read = counted(usize::try_from(self.read).unwrap_or(usize::MAX), "row");
        if dropped.is_empty() {
            format!("{read} read, none dropped")
        } else {
            format!("{read} read, dropped: {dropped}")
        }
    }

    /// Logs the outcome.
    pub(crate) fn log(&self, files: usize, outcome: &Outcome, io: &StageIo) {
        io.log(format!("{}: {}; {} kept", counted(files, "file"), self.summary(), thousands(outcome.kept)));
        let mut labels: Vec<_> =
            outcome.labels.iter().map(|(name, rows)| format!("{name} {}", thousands(*rows))).collect();
        let more = labels.len().saturating_sub(20);
        labels.truncate(20);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        io.log(format!("labels: {}{more}", labels.join(", ")));
        if outcome.multi_label {
            let given: u64 = outcome.labels.iter().map(|(_, rows)| rows).sum();
            let mean = given as f64 / outcome.kept.max(1) as f64;
            io.log(format!("{mean:.2} labels per row; {} have none", counted_rows(outcome.unlabelled)));
        }
        if self.guessed > 0 {
            io.log(format!("{} not UTF-8, read as windows-1252", thousands(self.guessed)));
        }
        for (from, to, rows) in &self.merged {
            io.log(format!("label {from:?} of {} merged into \"{to}\"", counted_rows(*rows)));
        }
        for (from, to, rows) in &self.cleaned {
            io.log(format!("label {from:?} of {} is read as \"{to}\"", counted_rows(*rows)));
        }
        self.notes().iter().flat_map(|note| note.lines()).for_each(|line| io.log(line));
        self.warnings.iter().for_each(|warning| io.warn(warning));
    }

    /// `report.json`.
    pub(crate) fn json(&self, files: &[SourceFile], ignored: &[String], outcome: &Outcome) -> Value {
        let dropped: BTreeMap<_, _> = self.dropped.iter().map(|(reason, dropped)| (*reason, dropped)).collect();
        let counts: serde_json::Map<_, _> = Reason::ALL
            .iter()
            .map(|reason| (reason.name().to_owned(), json!(dropped.get(reason).map_or(0, |dropped| dropped.rows))))
            .collect();
        let examples: serde_json::Map<_, _> = dropped
            .iter()
            .map(|(reason, dropped)| {
                let rows = dropped.examples.iter();
                let rows = rows.map(|(id, place, why)| json!({"id": id, "place": place.name(files), "why": why}));
                (reason.name().to_owned(), rows.collect())
            })
            .collect();
        let changed = |labels: &[(String, String, u64)]| {
            let each = labels.iter().map(|(from, to, rows)| json!({"from": from, "to": to, "rows": rows}));
            each.collect::<Vec<_>>()
        };
        let labels: serde_json::Map<_, _> =
            outcome.labels.iter().map(|(name, rows)| (name.clone(), json!(rows))).collect();
        json!({
            "files": {"read": files.len(), "ignored": ignored, "not_utf8": self.guessed},
            "columns": self.columns,
            "rows": {"read": self.read, "kept": outcome.kept, "dropped": counts},
            "dropped_examples": examples,
            "labels": labels,
            "multi_label": outcome.multi_label,
            "rows_without_label": outcome.unlabelled,
            "given_parts": outcome.parts,
            "labels_renamed": self.renamed,
            "labels_merged": changed(&self.merged),
            "labels_cleaned": changed(&self.cleaned),
            "labels_read_as_missing": self.null_labels,
            "conflicting_texts": self.conflicting_texts,
            "notes": self.notes(),
            "warnings": self.warnings,
        })
    }
}

/// The rows and labels that are kept.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Number of rows.
    pub(crate) kept: u64,
    /// Labels in the order of the label map, with their row counts.
    pub(crate) labels: Vec<(String, u64)>,
    /// Whether rows may have several labels, or none.
    pub(crate) multi_label: bool,
    /// Number of rows without labels.
    pub(crate) unlabelled: u64,
    /// Number of rows of each given split.
    pub(crate) parts: BTreeMap<&'static str, u64>,
}

fn counted_rows(rows: u64) -> String {
    counted(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}

/// Labels with their counts, for messages: `"sport" (3 rows)`.
pub(crate) fn labels_listed<'a>(labels: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let labels: Vec<_> = labels.into_iter().collect();
    if labels.len() > 12 {
        return format!("{} labels, among them {}", labels.len(), listed(labels.iter().take(6).map(|(name, _)| *name)));
    }
    labels.iter().map(|(name, rows)| format!("\"{name}\" ({})", counted_rows(*rows))).collect::<Vec<_>>().join(", ")
}
