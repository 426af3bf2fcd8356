//! The rows of all files, with the first steps done on the way: filter, and what is missing.

use std::collections::{BTreeMap, BTreeSet};

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result, StageIo, suggest};

use crate::columns::Columns;
use crate::files::{Kind, SourceFile, parent};
use crate::nearest::{listed, short};
use crate::read::{Table, read_document, read_table, unit};
use crate::report::{Reason, Report};
use crate::settings::Settings;

/// A row with both text and label: one, or where the settings say so any number of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The row's number among all rows of all files, from 0.
    pub(crate) id: u64,
    /// Where it stands, for messages: `a.csv, line 3`.
    pub(crate) place: Place,
    pub(crate) text: String,
    /// The second text, where rows are pairs.
    pub(crate) pair: Option<String>,
    /// Sorted, each once.
    pub(crate) labels: Vec<String>,
    pub(crate) group: Option<String>,
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
    /// The place in words.
    pub(crate) fn name(self, files: &[SourceFile]) -> String {
        match files.get(self.file) {
            Some(file) if file.kind == Kind::Document => file.name.clone(),
            Some(file) => format!("{}, {} {}", file.name, unit(file.kind), self.number),
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
            let table = read_table(file)?;
            let columns = Columns::find(&file.name, table.names(), settings)?;
            let labels = labels_of(table.as_ref(), columns.label, settings)?;
            from_table((index, file), table.as_ref(), &columns, labels, report, (&mut seen, &mut rows))?;
        }
        progress.inc(1);
    }
    progress.finish();
    seen.warn(report);
    if settings.multi_label && !rows.is_empty() && rows.iter().all(|row| row.labels.len() < 2) {
        let why = if settings.label_separator.is_none() { "; is `label_separator` missing?" } else { "" };
        report.warn(format!("`multi_label` is set, but no row has more than one label{why}"));
    }
    Ok(rows)
}

/// The labels of every row; `None` where a row lacks the one that it must have.
fn labels_of(table: &dyn Table, column: usize, settings: &Settings) -> Result<Vec<Option<Vec<String>>>> {
    if !settings.multi_label {
        return Ok(table.column(column)?.into_iter().map(|label| Some(vec![present(label)?])).collect());
    }
    let sorted = |mut labels: Vec<String>| {
        labels.retain(|label| !label.trim().is_empty());
        labels.sort_unstable();
        labels.dedup();
        Some(labels)
    };
    Ok(table.lists(column, settings.label_separator.as_deref())?.into_iter().map(sorted).collect())
}

fn from_table(
    (index, file): (usize, &SourceFile),
    table: &dyn Table,
    columns: &Columns,
    labels: Vec<Option<Vec<String>>>,
    report: &mut Report,
    (seen, rows): (&mut Seen, &mut Vec<Row>),
) -> Result<()> {
    let name = |place: usize| table.names().get(place).cloned().unwrap_or_default();
    report.columns(name(columns.text), columns.pair.map(name), name(columns.label), columns.group.map(name));
    let filters = columns.filter.iter().map(|(place, wanted)| Ok((name(*place), table.column(*place)?, wanted)));
    let filters = filters.collect::<Result<Vec<_>>>()?;
    let texts = table.column(columns.text)?;
    let mut pairs = columns.pair.map(|place| Ok::<_, Error>((place, table.column(place)?))).transpose()?;
    let mut groups = columns.group.map(|place| table.column(place)).transpose()?;
    for (row, (text, labels)) in texts.into_iter().zip(labels).enumerate() {
        let id = report.read_one();
        let place = Place { file: index, number: table.place(row) };
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
        let Some(text) = present(text) else {
            report.drop(Reason::MissingText, id, place, || format!("{} is empty", name(columns.text)));
            continue;
        };
        let mut pair = None;
        if let Some((column, values)) = &mut pairs {
            pair = present(values.get_mut(row).and_then(Option::take));
            if pair.is_none() {
                report.drop(Reason::MissingText, id, place, || format!("{} is empty", name(*column)));
                continue;
            }
        }
        let Some(labels) = labels else {
            report.drop(Reason::MissingLabel, id, place, || format!("{} is empty", name(columns.label)));
            continue;
        };
        let group = groups.as_mut().and_then(|groups| groups.get_mut(row)).and_then(Option::take);
        rows.push(Row { id, place, text, pair, labels, group: present(group), part: file.part });
    }
    for (name, values, wanted) in &filters {
        seen.note(name, wanted, values);
    }
    Ok(())
}

/// What was seen in the columns of `filter`, to explain one that nothing matches.
#[derive(Debug, Default)]
struct Seen {
    /// Per column: the wanted value, whether it occurs, and some of the others.
    columns: BTreeMap<String, (String, bool, BTreeSet<String>)>,
}

impl Seen {
    fn note(&mut self, column: &str, wanted: &str, values: &[Option<String>]) {
        let entry = self.columns.entry(column.to_owned());
        let (_, occurs, others) = entry.or_insert_with(|| (wanted.to_owned(), false, BTreeSet::new()));
        // An empty value asks for rows that have none.
        *occurs |= wanted.is_empty() && values.contains(&None);
        for value in values.iter().flatten() {
            *occurs |= value == wanted;
            // Enough for a message; a column of texts must not be held twice.
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
                    "no row has the \"{wanted}\" that `filter.{column}` asks for; {column} is {}{near}",
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
    let columns = [
        ("text_column", &settings.text_column),
        ("pair_column", &settings.pair_column),
        ("label_column", &settings.label_column),
        ("group_column", &settings.group_column),
    ];
    let column = columns.iter().find_map(|(key, value)| value.as_ref().map(|value| ((*key).to_owned(), value)));
    let filter = || settings.filter.first().map(|(column, value)| (format!("filter.{column}"), value));
    if let Some((key, value)) = column.or_else(filter) {
        return Err(Error::data(format!(
            "`{key}` = \"{value}\" asks for a column, but {} is a text without columns",
            file.name
        ))
        .hint("texts in files of their own have the name of their folder as label; leave the key out")
        .hint("tables are known by their ending: .csv, .tsv, .jsonl, .json, .parquet"));
    }
    let Some(label) = parent(&file.name) else {
        return Err(Error::data(format!("{} lies in no label's folder", file.name))
            .hint("data is a CSV, TSV, JSON Lines or Parquet file, or one folder per label with one text per file"));
    };
    let document = read_document(file)?;
    let id = report.read_one();
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
                part: file.part,
            });
        }
        None => report.drop(Reason::MissingText, id, place, || "the file is empty".to_owned()),
    }
    Ok(())
}
