//! Reads the rows of all files, applies the filter, and drops rows with missing values.

use std::collections::{BTreeMap, BTreeSet};

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result, StageIo, suggest};
use firebrand_tables::wording::{listed, short};
use firebrand_tables::{BadRow, Kind};

use crate::columns::{Columns, Labels};
use crate::files::{SourceFile, parent};
use crate::labelling::{RowLabels, labels_of};
use crate::read::{Table, read_document, read_table};
use crate::report::{ColumnNames, Reason, Report};
use crate::settings::{Settings, Weight};

/// A row with a text and its labels: exactly one, unless the data is multi-label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The row's number among all rows of all files, from 0.
    pub(crate) id: u64,
    /// Where it comes from, for messages such as `a.csv, line 3`.
    pub(crate) place: Place,
    pub(crate) text: String,
    /// The second text of a pair; `None` for single texts.
    pub(crate) pair: Option<String>,
    /// Sorted and unique.
    pub(crate) labels: Vec<String>,
    pub(crate) group: Option<String>,
    /// The row's weight in the training loss; 1 by default.
    pub(crate) weight: f32,
    pub(crate) part: Option<Part>,
}

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index of the file.
    pub(crate) file: usize,
    /// Line or row in it, from 1.
    pub(crate) number: u64,
}

impl Place {
    /// The place as text for messages.
    pub(crate) fn name(self, files: &[SourceFile]) -> String {
        match files.get(self.file) {
            Some(file) if file.kind == Kind::Document => file.name.clone(),
            Some(file) => format!("{}, {} {}", file.name, file.kind.unit(), self.number),
            None => format!("row {}", self.number),
        }
    }
}

/// Reads all files.
pub(crate) fn read(files: &[SourceFile], settings: &Settings, report: &mut Report, io: &StageIo) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut seen = Seen::default();
    let progress = io.progress("read files", files.len() as u64);
    for (index, file) in files.iter().enumerate() {
        if file.kind == Kind::Document {
            document(index, file, settings, report, &mut rows)?;
        } else {
            let (table, note) = read_table(file, settings)?;
            note.into_iter().chain(table.notes().iter().cloned()).for_each(|note| report.note(note));
            let columns = Columns::find(&file.name, table.names(), table.by_content(), settings)?;
            let labels = labels_of(file, table.as_ref(), &columns.labels, settings, report)?;
            let source = Source { index, file, table: table.as_ref(), settings };
            source.rows(&columns, labels, report, &mut seen, &mut rows)?;
        }
        progress.inc(1);
    }
    progress.finish();
    seen.warn(report);
    if settings.multi_label && !rows.is_empty() && rows.iter().all(|row| row.labels.len() < 2) {
        let missing = settings.label_separator.is_none() && settings.label_columns.is_empty();
        let why = if missing { "; is `label_separator` missing?" } else { "" };
        report.warn(format!("`multi_label` is set, but no row has more than one label{why}"));
    }
    if !rows.is_empty() && rows.iter().all(|row| row.weight == 0.0) {
        return Err(Error::data("every row has the weight 0: there is nothing to learn")
            .hint("set `weight_column` below [clean] to another column, or to \"none\""));
    }
    Ok(rows)
}

/// A table and the settings to read it with.
struct Source<'a> {
    index: usize,
    file: &'a SourceFile,
    table: &'a dyn Table,
    settings: &'a Settings,
}

impl Source<'_> {
    fn rows(
        &self,
        columns: &Columns,
        labels: Vec<RowLabels>,
        report: &mut Report,
        seen: &mut Seen,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let name = |place: usize| self.table.names().get(place).cloned().unwrap_or_default();
        let label_name = match &columns.labels {
            Labels::Column(column) => name(*column),
            Labels::Columns(columns) => columns.iter().map(|column| name(*column)).collect::<Vec<_>>().join(", "),
        };
        report.columns(ColumnNames {
            text: name(columns.text),
            pair: columns.pair.map(name),
            label: label_name.clone(),
            group: columns.group.map(name),
            weight: columns.weight.map(name),
        });
        let filters =
            columns.filter.iter().map(|(place, wanted)| Ok((name(*place), self.table.column(*place)?, wanted)));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let texts = self.texts(columns.text)?;
        let mut pairs = columns.pair.map(|place| Ok::<_, Error>((place, self.texts(place)?))).transpose()?;
        let mut groups = columns.group.map(|place| self.table.column(place)).transpose()?;
        let weights = columns.weight.map(|place| self.table.column(place)).transpose()?;
        let mut bad = self.table.bad_rows().iter().peekable();
        for (row, (text, labels)) in texts.into_iter().zip(labels).enumerate() {
            let number = self.table.place(row);
            while let Some(bad) = bad.next_if(|bad| bad.number < number) {
                self.drop_bad(bad, report);
            }
            let id = report.next_id();
            let place = Place { file: self.index, number };
            let odd = filters.iter().find_map(|(name, values, wanted)| {
                let found = values.get(row).and_then(Option::as_deref);
                (found.unwrap_or_default() != wanted.as_str()).then(|| match found {
                    Some(found) => format!("{name} is \"{}\"", short(found, 40)),
                    None => format!("{name} is missing"),
                })
            });
            if let Some(why) = odd {
                report.drop(Reason::Filter, id, place, || why);
                continue;
            }
            let Some(text) = text else {
                report.drop(Reason::MissingText, id, place, || format!("{} is empty", name(columns.text)));
                continue;
            };
            let mut pair = None;
            if let Some((column, values)) = &mut pairs {
                pair = values.get_mut(row).and_then(Option::take);
                if pair.is_none() {
                    report.drop(Reason::MissingText, id, place, || format!("{} is empty", name(*column)));
                    continue;
                }
            }
            let labels = match labels {
                RowLabels::Known(labels) => labels,
                RowLabels::Missing => {
                    report.drop(Reason::MissingLabel, id, place, || format!("{label_name} is empty"));
                    continue;
                }
                RowLabels::Hidden => {
                    report.drop(Reason::HiddenLabel, id, place, || format!("{label_name} is -1"));
                    continue;
                }
            };
            let group = groups.as_mut().and_then(|groups| groups.get_mut(row)).and_then(Option::take);
            let group = present(group).filter(|group| !self.settings.is_null(group));
            let weight = match (&weights, columns.weight) {
                (Some(weights), Some(column)) => {
                    self.weight(weights.get(row).and_then(Option::as_deref), &name(column), number)?
                }
                _ => 1.0,
            };
            rows.push(Row { id, place, text, pair, labels, group, weight, part: self.file.part });
        }
        bad.for_each(|bad| self.drop_bad(bad, report));
        for (name, values, wanted) in &filters {
            seen.note(name, wanted, values);
        }
        Ok(())
    }

    /// Texts; `None` if missing or blank. CSV and TSV files have no other way to mark missing texts than null markers.
    fn texts(&self, column: usize) -> Result<Vec<Option<String>>> {
        let words = matches!(self.file.kind, Kind::Csv | Kind::Tsv);
        let there = |value| present(value).filter(|value| !(words && self.settings.is_null(value)));
        Ok(self.table.column(column)?.into_iter().map(there).collect())
    }

    /// Parses the weight of a row in the training loss.
    fn weight(&self, value: Option<&str>, column: &str, number: u64) -> Result<f32> {
        let text = value.unwrap_or_default().trim();
        let weight = text.parse::<f32>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
        weight.ok_or_else(|| {
            let found = if text.is_empty() { "missing".to_owned() } else { format!("\"{}\"", short(text, 40)) };
            Error::data(format!(
                "{}, {} {number}: the weight in `{column}` is {found}, not a number of at least 0",
                self.file.name,
                self.file.kind.unit()
            ))
            .hint("a weight scales a row's training loss; rows without weights have 1")
            .hint("if the column is not a weight, set `weight_column = \"none\"` below [clean]")
        })
    }

    fn drop_bad(&self, bad: &BadRow, report: &mut Report) {
        let id = report.next_id();
        report.drop(Reason::BadRow, id, Place { file: self.index, number: bad.number }, || bad.why.clone());
    }
}

/// Values seen in the columns of `filter`, to explain a filter that matches nothing.
#[derive(Debug, Default)]
struct Seen {
    /// Per column: the wanted value, whether it occurs, and some of the others.
    columns: BTreeMap<String, (String, bool, BTreeSet<String>)>,
}

impl Seen {
    fn note(&mut self, column: &str, wanted: &str, values: &[Option<String>]) {
        let entry = self.columns.entry(column.to_owned());
        let (_, occurs, others) = entry.or_insert_with(|| (wanted.to_owned(), false, BTreeSet::new()));
        // An empty filter value matches missing values.
        *occurs |= wanted.is_empty() && values.contains(&None);
        for value in values.iter().flatten() {
            *occurs |= value == wanted;
            // Enough for a message; a whole column of texts would take too much memory.
            if others.len() < 100 && !others.contains(value) {
                others.insert(value.clone());
            }
        }
    }

    fn warn(self, report: &mut Report) {
        for (column, (wanted, occurs, others)) in self.columns {
            if !occurs {
                let values = || others.iter().map(String::as_str);
                let near =
                    suggest(&wanted, values()).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                report.warn(format!(
                    "no row matches `filter.{column}` = \"{wanted}\"; the column contains {}{near}",
                    listed(values())
                ));
            }
        }
    }
}

fn present(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.trim().is_empty())
}

fn document(
    index: usize,
    file: &SourceFile,
    settings: &Settings,
    report: &mut Report,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let weight = match &settings.weight_column {
        Weight::Column(column) => Some(column),
        Weight::Detect | Weight::None => None,
    };
    let columns = [
        ("text_column", settings.text_column.as_ref()),
        ("pair_column", settings.pair_column.as_ref()),
        ("label_column", settings.label_column.as_ref()),
        ("label_columns", settings.label_columns.first()),
        ("group_column", settings.group_column.as_ref()),
        ("weight_column", weight),
    ];
    let column = columns.iter().find_map(|(key, value)| value.map(|value| ((*key).to_owned(), value)));
    let filter = || settings.filter.first().map(|(column, value)| (format!("filter.{column}"), value));
    if let Some((key, value)) = column.or_else(filter) {
        return Err(Error::data(format!(
            "`{key}` = \"{value}\" names a column, but {} is a text file without columns",
            file.name
        ))
        .hint("if each text is a file, the label is the folder's name: remove the key")
        .hint("tables are recognised by their extension: .csv, .tsv, .jsonl, .json, .parquet, .arrow"));
    }
    let Some(label) = parent(&file.name) else {
        return Err(Error::data(format!("{} lies in no label's folder", file.name))
            .hint("data is a CSV, TSV, JSON Lines or Parquet file, or one folder per label with one text per file"));
    };
    let document = read_document(file, settings.reading.encoding)?;
    let id = report.next_id();
    report.guessed(document.guessed);
    let place = Place { file: index, number: 1 };
    match present(Some(document.text)) {
        Some(text) => {
            rows.push(Row {
                id,
                place,
                text,
                pair: None,
                labels: vec![label.to_owned()],
                group: None,
                weight: 1.0,
                part: file.part,
            });
        }
        None => report.drop(Reason::MissingText, id, place, || "the file is empty".to_owned()),
    }
    Ok(())
}
