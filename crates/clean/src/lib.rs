//! The `clean` stage: turns raw files into labelled texts.
//!
//! Reads `raw/` of `fetch`: tables (CSV, TSV, JSON Lines, JSON, Parquet, Arrow), or one folder per label with one text
//! per file. Writes `examples.parquet`, `labels.json`, `text.json` (the cleaning options, which
//! become part of the bundle) and `report.json`.
//!
//! Steps, each counted: unreadable rows, filter, missing text, missing and hidden labels, renaming of labels, cleaning of
//! texts, too short texts, similar labels, duplicates, conflicts. Then labels without enough rows are refused.
//!
//! Invariants: every row read is either kept or counted under exactly one reason; a row's id is its position among all rows of
//! all files in the order of their names, so it does not depend on what is dropped; the label map does not depend on row order.

mod columns;
mod config;
mod duplicates;
mod files;
mod labelling;
mod labels;
mod read;
mod report;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use firebrand_dataset::{Example, LabelMap, write_examples};
use firebrand_pipeline::{Result, Slot, Stage, StageIo};
use firebrand_tables::wording::counted;

pub use config::Config;

use report::{Outcome, Reason, Report};
use rows::Row;
use settings::Settings;

/// The stage.
#[derive(Debug)]
pub struct Clean;

impl Stage for Clean {
    const SLOT: Slot = Slot::Clean;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        Settings::new(config).map(drop)
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        let settings = Settings::new(config)?;
        let found = files::find(&io.input(Slot::Fetch, "raw")?, &settings)?;
        let mut report = Report::default();
        let mut rows = rows::read(&found.files, &settings, &mut report, io)?;
        let hidden = labels::drop_hidden(&mut rows, &found.files, &settings, &mut report);
        let warnings = found.warnings.into_iter().filter(|(file, _)| !hidden.contains(file));
        warnings.for_each(|(_, warning)| report.warn(warning));
        labels::rename(&mut rows, &settings, &mut report);
        labels::normalize(&mut rows, &mut report);
        let mut rows = clean_texts(rows, &settings, &mut report, io);
        labels::merge_similar(&mut rows, &settings, &mut report)?;
        let rows = duplicates::resolve(rows, &found.files, &settings, &mut report)?;
        let labels = labels::count(&rows);
        labels::check_counts(&labels, &settings, &report).map_err(|error| report.explain(error))?;
        let map = LabelMap::new(labels.iter().map(|(name, _)| name.clone()).collect())?
            .with_multi_label(settings.multi_label);
        let mut parts = BTreeMap::new();
        for part in rows.iter().filter_map(|row| row.part) {
            *parts.entry(part.name()).or_insert(0) += 1;
        }
        let kept = rows.len() as u64;
        let unlabelled = rows.iter().filter(|row| row.labels.is_empty()).count() as u64;
        write_examples(&io.output("examples.parquet"), &examples(rows, &map))?;
        map.write(&io.output("labels.json"))?;
        settings.text.write(&io.output("text.json"))?;
        let outcome = Outcome { kept, labels, multi_label: settings.multi_label, unlabelled, parts };
        report.log(found.files.len(), &outcome, io);
        io.write_json("report.json", &report.json(&found.files, &found.ignored, &outcome))
    }
}

/// Cleans the texts and drops those that are too short afterwards; both texts of a pair must be long enough.
fn clean_texts(rows: Vec<Row>, settings: &Settings, report: &mut Report, io: &StageIo) -> Vec<Row> {
    let progress = io.progress("clean texts", rows.len() as u64);
    let mut kept = Vec::with_capacity(rows.len());
    for mut row in rows {
        let texts = std::iter::once(&mut row.text).chain(&mut row.pair);
        let short = texts.fold(None, |short, text| {
            *text = settings.text.clean(text);
            let characters = text.chars().count();
            // A blank text counts as too short even if white space is not collapsed.
            short.or((characters < settings.min_characters || text.trim().is_empty()).then_some(characters))
        });
        match short {
            Some(characters) => report.drop(Reason::TooShort, row.id, row.place, || {
                format!("{} after cleaning", counted(characters, "character"))
            }),
            None => kept.push(row),
        }
        progress.inc(1);
    }
    progress.finish();
    kept
}

/// Sorted label indices. The order of the names differs from theirs if the names are numbers.
fn sorted(indices: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut indices: Vec<u32> = indices.collect();
    indices.sort_unstable();
    indices
}

fn examples(rows: Vec<Row>, map: &LabelMap) -> Vec<Example> {
    let indices: HashMap<&str, u32> = (0..).zip(map.names()).map(|(index, name)| (name.as_str(), index)).collect();
    let example = |row: Row| Example {
        id: row.id,
        labels: sorted(row.labels.iter().filter_map(|label| indices.get(label.as_str()).copied())),
        text: row.text,
        pair: row.pair,
        group: row.group,
        weight: row.weight,
        part: row.part,
    };
    rows.into_iter().map(example).collect()
}
