//! Reads the labels of a table: from a column of names or lists, or from 0/1 columns.

use std::collections::BTreeMap;

use firebrand_pipeline::{Error, Result};
use firebrand_tables::wording::{counted, listed, short};

use crate::columns::Labels;
use crate::files::SourceFile;
use crate::labels::is_blank;
use crate::read::{Table, list_literal};
use crate::report::Report;
use crate::settings::Settings;

/// What a row says about its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowLabels {
    /// The label is missing.
    Missing,
    /// The label is -1 although classes are numbered from 0: the data's authors hide it.
    Hidden,
    /// Sorted and unique; exactly one, unless the data is multi-label.
    Known(Vec<String>),
}

/// The labels of every row.
pub(crate) fn labels_of(
    file: &SourceFile,
    table: &dyn Table,
    columns: &Labels,
    settings: &Settings,
    report: &mut Report,
) -> Result<Vec<RowLabels>> {
    let source = Source { file, table };
    match columns {
        Labels::Columns(columns) => source.columns_of_flags(columns, settings, report),
        Labels::Column(column) if settings.multi_label => source.lists(*column, settings, report),
        Labels::Column(column) => source.single(*column, settings, report),
    }
}

/// A table and the file that it comes from.
struct Source<'a> {
    file: &'a SourceFile,
    table: &'a dyn Table,
}

impl Source<'_> {
    fn place(&self, row: usize) -> String {
        format!("{}, {} {}", self.file.name, self.file.kind.unit(), self.table.place(row))
    }

    fn name(&self, column: usize) -> &str {
        self.table.names().get(column).map_or("", String::as_str)
    }

    /// One label per row.
    fn single(&self, column: usize, settings: &Settings, report: &mut Report) -> Result<Vec<RowLabels>> {
        let classes = Classes::of(self.table, column, settings);
        let mut values = self.table.column(column)?;
        self.unwrap_lists(column, &mut values, settings, report)?;
        let mut nulls = BTreeMap::new();
        let label = |value: Option<String>| match value.filter(|value| !is_blank(value)) {
            Some(value) if settings.is_null_label(&value) => {
                *nulls.entry(value).or_insert(0_u64) += 1;
                RowLabels::Missing
            }
            Some(value) => classes.name(value).map_or(RowLabels::Hidden, |name| RowLabels::Known(vec![name])),
            None => RowLabels::Missing,
        };
        let labels = values.into_iter().map(label).collect();
        classes.note(&self.file.name, report);
        report.null_labels(nulls);
        Ok(labels)
    }

    /// Unwraps lists of one label written as text (`['war']`); refuses longer ones.
    fn unwrap_lists(
        &self,
        column: usize,
        values: &mut [Option<String>],
        settings: &Settings,
        report: &mut Report,
    ) -> Result<()> {
        let filled = |value: &Option<String>| {
            value.as_ref().is_some_and(|value| !is_blank(value) && !settings.is_null_label(value))
        };
        let list = |value: &Option<String>| value.as_deref().and_then(list_literal);
        let Some(first) = values.iter().position(|value| list(value).is_some()) else { return Ok(()) };
        let one_each = |value: &Option<String>| list(value).is_some_and(|items| items.len() == 1);
        if !values.iter().filter(|value| filled(value)).all(one_each) {
            let text = values.get(first).and_then(Option::as_deref).unwrap_or_default();
            return Err(Error::data(format!(
                "{}: `{}` is a list written as text: {}",
                self.place(first),
                self.name(column),
                short(text, 60)
            ))
            .hint("if rows have lists of labels, set `multi_label = true` below [clean]"));
        }
        for value in values.iter_mut() {
            if let Some([item]) = list(value).as_deref() {
                *value = Some(item.clone());
            }
        }
        report.note(format!("{}: `{}` holds lists of one label each", self.file.name, self.name(column)));
        Ok(())
    }

    /// Any number of labels per row.
    fn lists(&self, column: usize, settings: &Settings, report: &mut Report) -> Result<Vec<RowLabels>> {
        let classes = Classes::of(self.table, column, settings);
        let lists = self.table.lists(column, settings.label_separator.as_deref())?;
        self.refuse_vectors(column, &lists)?;
        let mut nulls = BTreeMap::new();
        let label = |list: Vec<String>| {
            let mut labels = Vec::with_capacity(list.len());
            for item in list.into_iter().filter(|item| !is_blank(item)) {
                if settings.is_null_label(&item) {
                    *nulls.entry(item).or_insert(0_u64) += 1;
                    continue;
                }
                match classes.name(item) {
                    Some(name) => labels.push(name),
                    None => return RowLabels::Hidden,
                }
            }
            labels.sort_unstable();
            labels.dedup();
            RowLabels::Known(labels)
        };
        let labels = lists.into_iter().map(label).collect();
        classes.note(&self.file.name, report);
        report.null_labels(nulls);
        Ok(labels)
    }

    /// Refuses multi-hot vectors: nothing names their positions.
    fn refuse_vectors(&self, column: usize, lists: &[Vec<String>]) -> Result<()> {
        let mut filled = lists.iter().filter(|list| !list.is_empty());
        let Some(first) = filled.next().filter(|list| list.len() > 1) else { return Ok(()) };
        let flags = |list: &Vec<String>| list.iter().all(|item| matches!(item.trim(), "0" | "1"));
        if !flags(first) || !filled.all(|list| list.len() == first.len() && flags(list)) {
            return Ok(());
        }
        Err(Error::data(format!(
            "{}: `{}` holds vectors of {} zeros and ones ([{}]), and nothing says which label each position stands for",
            self.file.name,
            self.name(column),
            first.len(),
            first.join(", ")
        ))
        .hint("make each position a column and name them below [clean]: label_columns = [\"toxic\", \"insult\", …]")
        .hint("or write the names of a row's labels: [\"toxic\", \"insult\"]"))
    }

    /// The names of the columns that have a 1.
    fn columns_of_flags(&self, columns: &[usize], settings: &Settings, report: &mut Report) -> Result<Vec<RowLabels>> {
        let values = columns.iter().map(|column| Ok((self.name(*column), self.table.column(*column)?)));
        let values = values.collect::<Result<Vec<_>>>()?;
        let rows = values.first().map_or(0, |(_, values)| values.len());
        let (mut nulls, mut incomplete) = (BTreeMap::new(), 0);
        let label = |row: usize| {
            let (mut labels, mut missing, mut hidden) = (Vec::new(), 0, false);
            for (name, values) in &values {
                let value = values.get(row).and_then(Option::as_deref).map_or("", str::trim);
                if !value.is_empty() && settings.is_null(value) {
                    *nulls.entry(value.to_owned()).or_insert(0_u64) += 1;
                    missing += 1;
                    continue;
                }
                match flag(value) {
                    Flag::Yes => labels.push((*name).to_owned()),
                    Flag::No => {}
                    Flag::Missing => missing += 1,
                    Flag::Hidden => hidden = true,
                    Flag::Other => {
                        return Err(Error::data(format!(
                            "{}: `{name}` of `label_columns` is \"{}\", not 0 or 1",
                            self.place(row),
                            short(value, 40)
                        ))
                        .hint("such a column says whether a row has the label: 0 or 1, false or true"));
                    }
                }
            }
            labels.sort_unstable();
            Ok(match (hidden, missing == values.len()) {
                (true, _) => RowLabels::Hidden,
                (false, true) => RowLabels::Missing,
                (false, false) => {
                    incomplete += usize::from(missing > 0);
                    RowLabels::Known(labels)
                }
            })
        };
        let labels = (0..rows).map(label).collect::<Result<Vec<_>>>()?;
        report.null_labels(nulls);
        if incomplete > 0 {
            report.note(format!(
                "{}: in {} some of the `label_columns` have no value, which counts as 0",
                self.file.name,
                counted(incomplete, "row")
            ));
        }
        Ok(labels)
    }
}

/// What a cell of `label_columns` says.
enum Flag {
    Yes,
    No,
    Missing,
    Hidden,
    Other,
}

fn flag(value: &str) -> Flag {
    match value.to_lowercase().as_str() {
        "" | "nan" => Flag::Missing,
        "1" | "1.0" | "true" => Flag::Yes,
        "0" | "0.0" | "false" => Flag::No,
        "-1" | "-1.0" => Flag::Hidden,
        _ => Flag::Other,
    }
}

/// The names of a file's classes, if it gives them numbers and names.
struct Classes<'a> {
    names: Option<Vec<String>>,
    settings: &'a Settings,
}

impl<'a> Classes<'a> {
    fn of(table: &dyn Table, column: usize, settings: &'a Settings) -> Self {
        Self { names: table.class_names(column), settings }
    }

    /// The name of a label; `None` for the -1 of a hidden label. Numbers that `rename_labels` renames are left unchanged.
    fn name(&self, value: String) -> Option<String> {
        let Some(names) = &self.names else { return Some(value) };
        if self.settings.rename_labels.contains_key(&value) {
            return Some(value);
        }
        if value == "-1" {
            return None;
        }
        let named = value.parse::<usize>().ok().and_then(|class| names.get(class).cloned());
        Some(named.unwrap_or(value))
    }

    fn note(&self, file: &str, report: &mut Report) {
        if let Some(names) = &self.names {
            report.note_for_files(
                format!("class names are taken from the file's metadata: {}", listed(names.iter().map(String::as_str))),
                file,
            );
        }
    }
}
