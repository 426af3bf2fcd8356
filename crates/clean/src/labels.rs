//! The names of the labels: renamed, told apart, put in order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use firebrand_pipeline::{Error, Result, suggest};
use firebrand_text::{TextOptions, Unicode};

use crate::files::SourceFile;
use crate::nearest::{counted as number_of, listed};
use crate::report::{Reason, Report, labels_listed};
use crate::rows::Row;
use crate::settings::{Settings, SimilarLabels};

/// Leaves out the rows of files whose labels are all -1 while no other file has that label: benchmarks keep the labels of
/// their test sets back so. The files, by name.
///
/// Where every file has one label only, -1 is a class like the others: such data have a file for each class.
pub(crate) fn drop_hidden(rows: &mut Vec<Row>, files: &[SourceFile], report: &mut Report) -> BTreeSet<String> {
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
        let instead = given.map_or_else(String::new, |part| format!("; other rows become the {part} rows in its place"));
        report.warn(format!(
            "every label of {} is -1, which marks labels that are kept back, as in GLUE's test sets: its {} are left out, \
             because nothing can be measured with them{instead}",
            name(file),
            number_of(count, "row")
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

/// Whether a label has nothing in it that one could see.
pub(crate) fn is_blank(label: &str) -> bool {
    label.chars().all(|c| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}' | '\u{ad}'))
}

/// One space for every run of white space and control characters in a label, and whole numbers as integers: pandas writes
/// 1 as 1.0 where another row has no value. Space around a label is left to [`similar`].
pub(crate) fn tidy(rows: &mut [Row], report: &mut Report) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    rows.iter().flat_map(|row| &row.labels).for_each(|label| *counts.entry(label.clone()).or_default() += 1);
    let numbers = counts.keys().all(|label| label.trim().parse::<f64>().is_ok());
    let tidied = |label: &str| {
        let trimmed = label.trim();
        let (mut tidied, whole) = (on_one_line(trimmed), whole_number(trimmed));
        if let Some(whole) = whole.filter(|whole| numbers || counts.contains_key(*whole)) {
            tidied = whole.to_owned();
        }
        (tidied != trimmed).then_some(tidied)
    };
    let names: BTreeMap<&str, String> =
        counts.keys().filter_map(|label| Some((label.as_str(), tidied(label)?))).collect();
    if names.is_empty() {
        return;
    }
    for row in rows {
        for label in &mut row.labels {
            if let Some(name) = names.get(label.as_str()) {
                label.clone_from(name);
            }
        }
        each_once(&mut row.labels);
    }
    let count = |label: &str| counts.get(label).copied().unwrap_or_default();
    report.cleaned = names.iter().map(|(from, to)| ((*from).to_owned(), to.clone(), count(from))).collect();
}

/// A label as one line without anything invisible, composed as texts are.
fn on_one_line(label: &str) -> String {
    let spaced: String = label.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    TextOptions { unicode: Unicode::Nfc, strip_control: true, collapse_whitespace: true, ..TextOptions::UNTOUCHED }
        .clean(&spaced)
}

/// The integer that a number with nothing but zeros behind its point is: `2.0` is `2`.
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
            // Space around a label is never meant, nor is the form of a number.
            let trimmed = label.trim();
            let names = [Some(label.as_str()), Some(trimmed), whole_number(trimmed)];
            let to = names.into_iter().flatten().find_map(|name| settings.rename_labels.get(name));
            if let Some(to) = to {
                renamed |= label != to;
                label.clone_from(to);
            }
        }
        report.renamed += u64::from(renamed);
        each_once(&mut row.labels);
    }
    for from in settings.rename_labels.keys() {
        let names = |label: &String| label == from || label.trim() == from || whole_number(label.trim()) == Some(from);
        if !seen.iter().any(names) {
            let names = || seen.iter().map(String::as_str);
            let near = suggest(from, names()).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            report.warn(format!(
                "`rename_labels` renames \"{from}\", which no row has; the labels are {}{near}",
                listed(names())
            ));
        }
    }
}

/// Two names may have become one.
fn each_once(labels: &mut Vec<String>) {
    labels.sort_unstable();
    labels.dedup();
}

/// Labels that differ only in case or surrounding space become one, or are refused. Surrounding space goes in any case.
pub(crate) fn similar(rows: &mut [Row], settings: &Settings, report: &mut Report) -> Result<()> {
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
        // As most rows have it; of equals the first.
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
        each_once(&mut row.labels);
    }
    Ok(())
}

/// The labels in their order with their rows: integers by value, anything else by Unicode. The order of rows has no say.
pub(crate) fn counted(rows: &[Row]) -> Vec<(String, u64)> {
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

/// Refuses labels that nothing can be learnt from.
pub(crate) fn check(labels: &[(String, u64)], settings: &Settings, report: &Report) -> Result<()> {
    let each = || labels.iter().map(|(name, rows)| (name.as_str(), *rows));
    match labels {
        [] => {
            return Err(Error::data(format!("no rows are left: {}", report.account()))
                .hint("see what the keys below [clean] ask for: filter, min_characters, duplicates, conflicts"));
        }
        [_] => {
            return Err(Error::data(format!(
                "there is only one label: {} ({})",
                labels_listed(each()),
                report.account()
            ))
            .hint("a classifier needs two; is `label_column` right, or does a `filter` leave one only?"));
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
        error.hint("so many labels with so few rows: is `label_column` the right one?")
    } else {
        error.hint("add rows, rename them into another label with `rename_labels`, or lower `min_rows_per_label`")
    })
}
