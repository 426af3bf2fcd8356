//! The names of the labels: renamed, told apart, put in order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use firebrand_pipeline::{Error, Result, suggest};

use crate::nearest::listed;
use crate::report::{Report, labels_listed};
use crate::rows::Row;
use crate::settings::{Settings, SimilarLabels};

/// Applies `rename_labels`.
pub(crate) fn rename(rows: &mut [Row], settings: &Settings, report: &mut Report) {
    if settings.rename_labels.is_empty() {
        return;
    }
    let seen: BTreeSet<String> = rows.iter().flat_map(|row| &row.labels).cloned().collect();
    for row in rows {
        let mut renamed = false;
        for label in &mut row.labels {
            // Space around a label is never meant.
            let to = settings.rename_labels.get(label).or_else(|| settings.rename_labels.get(label.trim()));
            if let Some(to) = to {
                renamed |= label != to;
                label.clone_from(to);
            }
        }
        report.renamed += u64::from(renamed);
        each_once(&mut row.labels);
    }
    for from in settings.rename_labels.keys() {
        if !seen.iter().any(|label| label == from || label.trim() == from) {
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
