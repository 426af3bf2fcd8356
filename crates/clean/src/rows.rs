//! All rows of all files, as they were read.

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result, StageIo};
use serde::Serialize;

use crate::columns::Columns;
use crate::files::{Kind, SourceFile, parent};
use crate::read;
use crate::settings::Settings;

/// A row on its way through the steps.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The number of the source row, from 0, before anything is dropped.
    pub(crate) id: u64,
    /// The file, by its place among the sources.
    file: usize,
    /// Line or number in the file.
    place: u64,
    pub(crate) part: Option<Part>,
    /// Missing is empty from the step that drops missing ones on.
    pub(crate) text: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) weight: f32,
    /// The first filter that the row does not pass, and its value.
    pub(crate) filtered: Option<(usize, Option<String>)>,
    /// How many rows it stands for, itself and dropped duplicates.
    pub(crate) copies: usize,
}

impl Row {
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    pub(crate) fn label(&self) -> &str {
        self.label.as_deref().unwrap_or_default()
    }
}

/// A file or a folder of documents, with the ids of its rows: for the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Source {
    /// Path inside the fetched data.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
    first_id: u64,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_column: Option<String>,
    /// A folder's files, in the order of their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    documents: Vec<String>,
}

/// Everything that was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) rows: Vec<Row>,
    pub(crate) sources: Vec<Source>,
    /// Documents that were taken for windows-1252.
    pub(crate) windows_1252: Vec<String>,
    files: Vec<SourceFile>,
}

impl Loaded {
    /// Reads the files.
    pub(crate) fn read(files: Vec<SourceFile>, settings: &Settings, io: &StageIo) -> Result<Self> {
        let mut all = Self { rows: Vec::new(), sources: Vec::new(), windows_1252: Vec::new(), files };
        let progress = io.progress("read", all.files.len() as u64);
        for index in 0..all.files.len() {
            let Some(file) = all.files.get(index).cloned() else { break };
            match file.kind {
                Kind::Document => all.document(index, &file, settings)?,
                _ => all.table(index, &file, settings)?,
            }
            progress.inc(1);
        }
        progress.finish();
        Ok(all)
    }

    /// Where a row comes from, for people.
    pub(crate) fn place(&self, row: &Row) -> String {
        self.files.get(row.file).map(|file| read::place(file, row.place)).unwrap_or_default()
    }

    fn next_id(&self) -> u64 {
        self.rows.len() as u64
    }

    fn table(&mut self, index: usize, file: &SourceFile, settings: &Settings) -> Result<()> {
        let first_id = self.next_id();
        let mut chosen = None;
        let rows = read::table(file, settings.quotes, &mut |names| {
            let columns = Columns::choose(names, settings, &file.name)?;
            let name = |place: usize| names.get(place).cloned();
            let places = columns.places();
            chosen = Some((name(columns.text), name(columns.label), columns));
            Ok(places)
        })?;
        let Some((text_column, label_column, columns)) = chosen else { return Ok(()) };
        for (id, row) in (first_id..).zip(rows) {
            let mut cells = row.cells.into_iter();
            let mut next = || cells.next().flatten();
            let (text, label) = (next(), next());
            let group = columns.group.and_then(|_| next());
            let weight = match columns.weight.and_then(|_| next()) {
                None => 1.0,
                Some(text) => weight(&text, || read::place(file, row.place))?,
            };
            let values: Vec<_> = settings.filter.iter().map(|_| next()).collect();
            let fails = settings
                .filter
                .iter()
                .zip(values)
                .enumerate()
                .find(|(_, ((_, wanted), value))| value.as_ref() != Some(wanted));
            let filtered = fails.map(|(index, (_, value))| (index, value));
            self.rows.push(Row {
                id,
                file: index,
                place: row.place,
                part: file.part,
                text,
                label,
                group,
                weight,
                filtered,
                copies: 1,
            });
        }
        let rows = self.next_id() - first_id;
        let part = file.part.map(Part::name);
        let path = file.name.clone();
        self.sources.push(Source { path, part, first_id, rows, text_column, label_column, documents: Vec::new() });
        Ok(())
    }

    fn document(&mut self, index: usize, file: &SourceFile, settings: &Settings) -> Result<()> {
        refuse_columns(file, settings)?;
        let label = parent(&file.name).ok_or_else(|| {
            Error::data(format!("{} lies in no folder: its label would be the folder's name", file.name))
                .hint("make the globs below [clean] narrower, such as \"*/*.txt\"")
        })?;
        let (text, guessed) = read::document(file)?;
        if guessed {
            self.windows_1252.push(file.name.clone());
        }
        let id = self.next_id();
        let (folder, name) = file.name.rsplit_once('/').unwrap_or_default();
        let part = file.part.map(Part::name);
        match self.sources.last_mut() {
            Some(last) if last.path == folder && last.part == part => {
                last.rows += 1;
                last.documents.push(name.to_owned());
            }
            _ => self.sources.push(Source {
                path: folder.to_owned(),
                part,
                first_id: id,
                rows: 1,
                text_column: None,
                label_column: None,
                documents: vec![name.to_owned()],
            }),
        }
        let (text, label) = (Some(text), Some(label.to_owned()));
        self.rows.push(Row {
            id,
            file: index,
            place: 1,
            part: file.part,
            text,
            label,
            group: None,
            weight: 1.0,
            filtered: None,
            copies: 1,
        });
        Ok(())
    }
}

fn weight(text: &str, place: impl Fn() -> String) -> Result<f32> {
    match text.trim().parse::<f32>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => Err(Error::data(format!("{}: the weight \"{text}\" is not a number of at least 0", place()))
            .hint("correct the value, or set `weight_column` below [clean] to another column")),
    }
}

/// Documents have no columns, so a key that names one was meant for other data.
fn refuse_columns(file: &SourceFile, settings: &Settings) -> Result<()> {
    let columns = [
        ("text_column", settings.text_column.is_some()),
        ("label_column", settings.label_column.is_some()),
        ("group_column", settings.group_column.is_some()),
        ("weight_column", settings.weight_column.is_some()),
        ("filter", !settings.filter.is_empty()),
    ];
    match columns.iter().find(|(_, set)| *set) {
        Some((key, _)) => {
            Err(Error::data(format!("`clean.{key}` is set, but {} is a document without columns", file.name))
                .hint(format!("remove `{key}`: each file is a text, and its folder the label")))
        }
        None => Ok(()),
    }
}
