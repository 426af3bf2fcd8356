//! The steps, one after the other.

use std::collections::BTreeMap;
use std::path::Path;

use firebrand_dataset::{Example, LabelMap};
use firebrand_pipeline::{Error, Result, StageIo};

use crate::nearest::{counted, listed};
use crate::report::{Reason, Report};
use crate::rows::{Loaded, Row};
use crate::settings::Settings;
use crate::{files, labels, repeats};

/// Takes the files through all steps.
pub(crate) fn run(raw: &Path, settings: &Settings, io: &StageIo) -> Result<(Loaded, Report)> {
    let found = files::find(raw, settings)?;
    let mut report = Report { ignored_files: found.ignored, warnings: found.warnings, ..Report::default() };
    let mut loaded = Loaded::read(found.files, settings, io)?;
    report.read = loaded.rows.len();
    if loaded.rows.is_empty() {
        return Err(Error::data(format!(
            "the data has no rows: {} without any",
            counted(loaded.sources.len(), "file")
        ))
        .hint("a table needs rows below its header; check the source below [fetch.data]"));
    }
    filter(&mut loaded, settings, &mut report)?;
    report.retain(&mut loaded, Reason::MissingText, |row| row.text.is_some());
    report.retain(&mut loaded, Reason::MissingLabel, |row| !row.label().is_empty());
    labels::rename(&mut loaded, settings, &mut report)?;
    clean_texts(&mut loaded, settings, io);
    report.retain(&mut loaded, Reason::EmptyText, |row| !row.text().trim().is_empty());
    report.retain(&mut loaded, Reason::TooShort, |row| row.text().chars().count() >= settings.min_characters);
    labels::compare(&mut loaded, settings.similar_labels, &mut report)?;
    let before = labels::ordered(&loaded.rows);
    repeats::duplicates(&mut loaded, settings.duplicates, &mut report);
    repeats::conflicts(&mut loaded, settings.conflicts, &mut report)?;
    if loaded.rows.is_empty() {
        return Err(Error::data(format!("no rows are left of {}; dropped: {}", report.read, report.drops()))
            .hint("check `text_column`, `label_column` and what drops rows below [clean]"));
    }
    report.labels = labels::ordered(&loaded.rows);
    for lost in before.iter().filter(|label| !report.labels.iter().any(|kept| kept.name == label.name)) {
        report.warnings.push(format!("the label \"{}\" lost all its rows to conflicts", lost.name));
    }
    labels::check(&report.labels, settings)?;
    report.kept = loaded.rows.len();
    report.texts_in_several_parts = repeats::across_parts(&loaded.rows);
    report.decoded_as_windows_1252 = std::mem::take(&mut loaded.windows_1252);
    report.sources = std::mem::take(&mut loaded.sources);
    Ok((loaded, report))
}

/// The rows as later stages read them.
pub(crate) fn examples(rows: Vec<Row>, labels: &LabelMap) -> Vec<Example> {
    let example = |row: Row| Example {
        id: row.id,
        labels: labels.index(row.label()).into_iter().collect(),
        text: row.text.unwrap_or_default(),
        group: row.group,
        weight: row.weight,
        part: row.part,
    };
    rows.into_iter().map(example).collect()
}

fn filter(loaded: &mut Loaded, settings: &Settings, report: &mut Report) -> Result<()> {
    if loaded.rows.iter().all(|row| row.filtered.is_some()) {
        // The values that stopped the rows tell what could have been written instead.
        let mut seen: BTreeMap<usize, BTreeMap<String, usize>> = BTreeMap::new();
        for (index, value) in loaded.rows.iter().filter_map(|row| row.filtered.clone()) {
            *seen.entry(index).or_default().entry(value.unwrap_or_default()).or_default() += 1;
        }
        let (index, values) = seen.pop_first().unwrap_or_default();
        let (column, wanted) = settings.filter.get(index).cloned().unwrap_or_default();
        return Err(Error::data(format!(
            "`clean.filter` leaves none of {}: no `{column}` is \"{wanted}\"; its values are {}",
            counted(report.read, "row"),
            listed(values.keys().map(String::as_str))
        ))
        .hint("values are compared letter by letter; where there are several columns, all must fit"));
    }
    report.retain(loaded, Reason::Filter, |row| row.filtered.is_none());
    Ok(())
}

fn clean_texts(loaded: &mut Loaded, settings: &Settings, io: &StageIo) {
    let progress = io.progress("clean", loaded.rows.len() as u64);
    for row in &mut loaded.rows {
        row.text = row.text.take().map(|text| settings.text.clean(&text));
        progress.inc(1);
    }
    progress.finish();
}
