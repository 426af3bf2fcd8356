//! Names of labels: renamed, compared, and put in order.

use std::collections::{BTreeMap, BTreeSet};

use firebrand_pipeline::{Error, Result};

use crate::nearest::{count, listed};
use crate::report::{LabelRows, Report};
use crate::rows::{Loaded, Row};
use crate::settings::{Settings, SimilarLabels};

/// Renames labels as configured. A label of nothing but space has no name to train on, and must be given one.
pub(crate) fn rename(loaded: &mut Loaded, settings: &Settings, report: &mut Report) -> Result<()> {
    let mut seen = BTreeSet::new();
    for row in &mut loaded.rows {
        let label = row.label().to_owned();
        let renamed =
            [label.as_str(), label.trim()].into_iter().find_map(|name| settings.rename_labels.get_key_value(name));
        if let Some((from, to)) = renamed {
            *report.renamed.entry(from.clone()).or_default() += 1;
            row.label = Some(to.clone());
        }
        seen.insert(label);
    }
    if let Some(row) = loaded.rows.iter().find(|row| row.label().trim().is_empty()) {
        return Err(Error::data(format!("{}: the label is only white space (\"{}\")", loaded.place(row), row.label()))
            .hint("correct the file; a missing label is an empty field, and such rows are dropped")
            .hint(format!("or give it a name below [clean]: rename_labels = {{ \"{}\" = \"other\" }}", row.label())));
    }
    for from in settings.rename_labels.keys().filter(|from| !report.renamed.contains_key(*from)) {
        report.warnings.push(format!(
            "`rename_labels` renames \"{from}\", which is no label; the labels are {}",
            listed(seen.iter().map(String::as_str))
        ));
    }
    Ok(())
}

/// Finds labels that differ only in case or surrounding space, and merges or refuses them. Names lose surrounding space.
pub(crate) fn compare(loaded: &mut Loaded, choice: SimilarLabels, report: &mut Report) -> Result<()> {
    let mut spellings: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for row in &loaded.rows {
        let name = row.label().to_owned();
        *spellings.entry(name.trim().to_lowercase()).or_default().entry(name).or_default() += 1;
    }
    let mut names = BTreeMap::new();
    for found in spellings.values() {
        if found.len() > 1 && choice == SimilarLabels::Error {
            let seen: Vec<_> = found.iter().map(|(name, rows)| format!("\"{name}\" ({} rows)", count(*rows))).collect();
            return Err(Error::data(format!("labels differ only in case or surrounding space: {}", seen.join(", ")))
                .hint("set `similar_labels = \"merge\"` below [clean] to make them one, or rename them with `rename_labels`"));
        }
        // The most frequent spelling; of equals the first in order.
        let most = found.values().max();
        let Some((best, _)) = found.iter().find(|(_, rows)| Some(*rows) == most) else { continue };
        for name in found.keys() {
            if name.trim() != best.trim() || found.len() > 1 && name != best {
                report.merged_labels.insert(name.clone(), best.trim().to_owned());
            }
            names.insert(name.clone(), best.trim().to_owned());
        }
    }
    for row in &mut loaded.rows {
        row.label = row.label.take().map(|name| names.get(&name).cloned().unwrap_or(name));
    }
    Ok(())
}

/// The labels with their rows, in an order that does not depend on that of the rows: by number where all are integers.
pub(crate) fn ordered(rows: &[Row]) -> Vec<LabelRows> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.label()).or_default() += 1;
    }
    let mut labels: Vec<_> = counts.into_iter().map(|(name, rows)| LabelRows { name: name.to_owned(), rows }).collect();
    if labels.iter().all(|label| label.name.parse::<i64>().is_ok()) {
        // Stable, so that "1" and "01" keep the order of their texts.
        labels.sort_by_key(|label| label.name.parse::<i64>().unwrap_or_default());
    }
    labels
}

/// Checks that there is something to learn: at least two labels, each with enough rows.
pub(crate) fn check(labels: &[LabelRows], settings: &Settings) -> Result<()> {
    let few: Vec<_> = labels.iter().filter(|label| label.rows < settings.min_rows_per_label).collect();
    if let [only] = labels {
        return Err(Error::data(format!(
            "all {} rows have one label, \"{}\": there is nothing to tell apart",
            count(only.rows),
            only.name
        ))
        .hint("check `label_column`, `filter` and `rename_labels` below [clean]"));
    }
    if few.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = few.iter().map(|label| format!("{} ({})", label.name, label.rows)).collect();
    Err(Error::data(format!(
        "{} of {} labels have fewer rows than `clean.min_rows_per_label` = {}: {}",
        few.len(),
        labels.len(),
        settings.min_rows_per_label,
        listed(names.iter().map(String::as_str))
    ))
    .hint("add rows for them, or make one label of several with `rename_labels` below [clean]")
    .hint("if labels look like texts or numbers, `label_column` may name the wrong column"))
}
