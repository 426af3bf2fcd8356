//! Label names: renaming, normalisation, near duplicates, order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use firebrand_pipeline::{Error, Result, suggest};
use firebrand_tables::wording::{counted, listed};
use firebrand_text::{TextOptions, Unicode};

use crate::files::SourceFile;
use crate::report::{Reason, Report, labels_listed};
use crate::rows::Row;
use crate::settings::{Settings, SimilarLabels};

/// Drops the rows of files whose labels are all -1 if no other file has that label, and returns the names of these files:
/// benchmarks such as GLUE hide the labels of their test sets that way.
///
/// If every file has a single label, the data has one file per class, and -1 is a class like the others.
pub(crate) fn drop_hidden(
    rows: &mut Vec<Row>,
    files: &[SourceFile],
    settings: &Settings,
    report: &mut Report,
) -> BTreeSet<String> {
    // A user who renames -1 knows what it means.
    if settings.rename_labels.contains_key("-1") {
        return BTreeSet::new();
    }
    let mut labels: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for row in rows.iter() {
        let known = row.labels.iter().map(|label| if label.trim() == "-1.0" { "-1" } else { label.trim() });
        labels.entry(row.place.file).or_default().extend(known);
    }
    let (hidden, others): (Vec<_>, Vec<_>) =
        labels.into_iter().partition(|(_, labels)| labels.iter().copied().eq(["-1"]));
    if others.iter().any(|(_, labels)| labels.contains("-1")) || others.iter().all(|(_, labels)| labels.len() < 2) {
        return BTreeSet::new();
    }
    let hidden: BTreeSet<usize> = hidden.into_iter().map(|(file, _)| file).collect();
    let name = |file: usize| files.get(file).map_or_else(String::new, |file| file.name.clone());
    for &file in &hidden {
        let count = rows.iter().filter(|row| row.place.file == file).count();
        let given = files.get(file).and_then(|file| file.part);
        let instead =
            given.map_or_else(String::new, |part| format!("; the {part} split is drawn from other rows instead"));
        report.warn(format!(
            "every label of {} is -1, which marks hidden labels, as in GLUE's test sets: its {} are left out, because \
             a model cannot be evaluated on them{instead}",
            name(file),
            counted(count, "row")
        ));
    }
    rows.retain(|row| {
        let keep = !hidden.contains(&row.place.file);
        if !keep {
            report.drop(Reason::HiddenLabel, row.id, row.place, || "its label is -1".to_owned());
        }
        keep
    });
    hidden.into_iter().map(name).collect()
}

/// Whether a label has no visible characters.
pub(crate) fn is_blank(label: &str) -> bool {
    label.chars().all(|c| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}' | '\u{ad}'))
}

/// Collapses white space and control characters inside a label into one space, and writes whole numbers as integers: pandas
/// writes 1 as 1.0 if another row has no value. White space around labels is left to [`merge_similar`].
pub(crate) fn normalize(rows: &mut [Row], report: &mut Report) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    rows.iter().flat_map(|row| &row.labels).for_each(|label| *counts.entry(label.clone()).or_default() += 1);
    let numbers = counts.keys().all(|label| label.trim().parse::<f64>().is_ok());
    let normalized = |label: &str| {
        let trimmed = label.trim();
        let (mut normalized, whole) = (on_one_line(trimmed), whole_number(trimmed));
        if let Some(whole) = whole.filter(|whole| numbers || counts.contains_key(*whole)) {
            normalized = whole.to_owned();
        }
        (normalized != trimmed).then_some(normalized)
    };
    let names: BTreeMap<&str, String> =
        counts.keys().filter_map(|label| Some((label.as_str(), normalized(label)?))).collect();
    if names.is_empty() {
        return;
    }
    for row in rows {
        for label in &mut row.labels {
            if let Some(name) = names.get(label.as_str()) {
                label.clone_from(name);
            }
        }
        dedup(&mut row.labels);
    }
    let count = |label: &str| counts.get(label).copied().unwrap_or_default();
    report.cleaned = names.iter().map(|(from, to)| ((*from).to_owned(), to.clone(), count(from))).collect();
}

/// A label on one line, without invisible characters, in Unicode form NFC.
fn on_one_line(label: &str) -> String {
    let spaced: String = label.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    TextOptions { unicode: Unicode::Nfc, strip_control: true, collapse_whitespace: true, ..TextOptions::UNTOUCHED }
        .clean(&spaced)
}

/// The integer part of a number without a fractional part: `2` for `2.0`.
fn whole_number(label: &str) -> Option<&str> {
    let (whole, zeros) = label.split_once('.')?;
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let canonical = digits == "0" && whole == digits || plain && !digits.starts_with('0');
    (canonical && !zeros.is_empty() && zeros.bytes().all(|zero| zero == b'0')).then_some(whole)
}

/// Applies `rename_labels`.
pub(crate) fn rename(rows: &mut [Row], settings: &Settings, report: &mut Report) {
    if settings.rename_labels.is_empty() {
        return;
    }
    let seen: BTreeSet<String> = rows.iter().flat_map(|row| &row.labels).cloned().collect();
    for row in rows {
        let mut renamed = false;
        for label in &mut row.labels {
            // White space around a label and the spelling of a number carry no meaning.
            let trimmed = label.trim();
            let names = [Some(label.as_str()), Some(trimmed), whole_number(trimmed)];
            let to = names.into_iter().flatten().find_map(|name| settings.rename_labels.get(name));
            if let Some(to) = to {
                renamed |= label != to;
                label.clone_from(to);
            }
        }
        report.renamed += u64::from(renamed);
        dedup(&mut row.labels);
    }
    for from in settings.rename_labels.keys() {
        let names = |label: &String| label == from || label.trim() == from || whole_number(label.trim()) == Some(from);
        if !seen.iter().any(names) {
            let names = || seen.iter().map(String::as_str);
            let near = suggest(from, names()).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            report.warn(format!(
                "`rename_labels` renames \"{from}\", but no row has this label; the labels are {}{near}",
                listed(names())
            ));
        }
    }
}

/// Removes labels that became equal.
fn dedup(labels: &mut Vec<String>) {
    labels.sort_unstable();
    labels.dedup();
}

/// Merges or refuses labels that differ only in case or surrounding white space, which is always removed.
pub(crate) fn merge_similar(rows: &mut [Row], settings: &Settings, report: &mut Report) -> Result<()> {
    let mut spellings: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for label in rows.iter().flat_map(|row| &row.labels) {
        let like = label.trim().to_lowercase();
        *spellings.entry(like).or_default().entry(label.clone()).or_default() += 1;
    }
    if settings.similar_labels == SimilarLabels::Error
        && let Some(alike) = spellings.values().find(|alike| alike.len() > 1)
    {
        return Err(Error::data(format!(
            "labels differ only in case or surrounding space: {}",
            labels_listed(alike.iter().map(|(name, rows)| (name.as_str(), *rows)))
        ))
        .hint("set `similar_labels = \"merge\"` below [clean], or rename them with `rename_labels`"));
    }
    let mut names = BTreeMap::new();
    for alike in spellings.into_values() {
        // The most frequent spelling wins; ties go to the first.
        let mut trimmed: BTreeMap<&str, u64> = BTreeMap::new();
        alike.iter().for_each(|(name, rows)| *trimmed.entry(name.trim()).or_default() += rows);
        let most = trimmed.values().max().copied();
        let Some(name) = trimmed.iter().find(|(_, rows)| Some(**rows) == most).map(|(name, _)| (*name).to_owned())
        else {
            continue;
        };
        let several = alike.len() > 1;
        for (from, rows) in alike {
            if several && from != name {
                report.merged.push((from.clone(), name.clone(), rows));
            }
            names.insert(from, name.clone());
        }
    }
    for row in rows {
        for label in &mut row.labels {
            if let Some(name) = names.get(label) {
                label.clone_from(name);
            }
        }
        dedup(&mut row.labels);
    }
    Ok(())
}

/// Labels with their row counts: in numeric order if all are integers, otherwise by code point; independent of row order.
pub(crate) fn count(rows: &[Row]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    rows.iter().flat_map(|row| &row.labels).for_each(|label| *counts.entry(label).or_default() += 1);
    let mut labels: Vec<_> = counts.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect();
    let values: Option<Vec<i128>> = labels.iter().map(|(name, _)| name.parse().ok()).collect();
    if values.is_some() {
        labels.sort_by(|(a, _), (b, _)| by_value(a, b));
    }
    labels
}

fn by_value(a: &str, b: &str) -> Ordering {
    let value = |name: &str| name.parse::<i128>().ok();
    value(a).cmp(&value(b)).then_with(|| a.cmp(b))
}

/// Refuses data without at least two labels, or with labels that have too few rows.
pub(crate) fn check_counts(labels: &[(String, u64)], settings: &Settings, report: &Report) -> Result<()> {
    let each = || labels.iter().map(|(name, rows)| (name.as_str(), *rows));
    match labels {
        [] => {
            return Err(Error::data(format!("no rows are left: {}", report.summary()))
                .hint("check these keys below [clean]: filter, min_characters, duplicates, conflicts"));
        }
        [_] => {
            return Err(Error::data(format!(
                "there is only one label: {} ({})",
                labels_listed(each()),
                report.summary()
            ))
            .hint("a classifier needs at least two: check `label_column` and `filter` below [clean]"));
        }
        _ => {}
    }
    let fewest = settings.min_rows_per_label as u64;
    let rare: Vec<_> = each().filter(|(_, rows)| *rows < fewest).collect();
    if rare.is_empty() {
        return Ok(());
    }
    let all = if rare.len() == labels.len() { "all" } else { "these" };
    let error = Error::data(format!(
        "{all} labels have fewer rows than `min_rows_per_label` = {fewest}: {}",
        labels_listed(rare.iter().copied())
    ));
    Err(if rare.len() > 12 {
        error.hint("that many labels have few rows: check that `label_column` is the right one")
    } else {
        error.hint("add rows, rename them into another label with `rename_labels`, or lower `min_rows_per_label`")
    })
}
