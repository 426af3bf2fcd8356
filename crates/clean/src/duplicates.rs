//! Duplicates, the same text twice with the same label, and conflicts, the same text with different labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result};
use firebrand_tables::wording::{counted, short};

use crate::files::SourceFile;
use crate::report::{Reason, Report};
use crate::rows::Row;
use crate::settings::{Conflicts, Duplicates, Settings};

/// For each text (or pair of texts) of each given split, its rows by their set of labels.
///
/// Splits are kept apart: a given test set is evaluated as it is, and leakage between splits is handled by the `split` stage.
type Texts<'a> = HashMap<(Option<Part>, &'a str, Option<&'a str>), BTreeMap<&'a [String], Vec<usize>>>;

/// Drops duplicates and resolves conflicts as configured.
pub(crate) fn resolve(
    mut rows: Vec<Row>,
    files: &[SourceFile],
    settings: &Settings,
    report: &mut Report,
) -> Result<Vec<Row>> {
    let mut texts: Texts<'_> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let labels = texts.entry((row.part, row.text.as_str(), row.pair.as_deref())).or_default();
        labels.entry(row.labels.as_slice()).or_default().push(index);
    }
    // Hash maps iterate in a random order.
    let mut texts: Vec<_> =
        texts.into_values().filter(|labels| labels.values().map(Vec::len).sum::<usize>() > 1).collect();
    texts.sort_unstable_by_key(|labels| labels.values().filter_map(|rows| rows.first()).min().copied());
    let conflicts = texts.iter().filter(|labels| labels.len() > 1).count();
    report.conflicting_texts = conflicts as u64;
    if settings.conflicts == Conflicts::Error
        && let Some(labels) = texts.iter().find(|labels| labels.len() > 1)
    {
        return Err(conflict_error(conflicts, labels, &rows, files));
    }
    let mut out: BTreeMap<usize, (Reason, String)> = BTreeMap::new();
    let mut joined: Vec<(usize, Vec<String>)> = Vec::new();
    for labels in &texts {
        if settings.conflicts == Conflicts::Union && labels.len() > 1 {
            joined.extend(union(labels, &rows, &mut out));
            continue;
        }
        if settings.duplicates == Duplicates::Drop {
            for (first, more) in labels.values().filter_map(|rows| rows.split_first()) {
                let id = rows.get(*first).map_or(0, |row| row.id);
                out.extend(more.iter().map(|row| (*row, (Reason::Duplicate, format!("duplicate of row {id}")))));
            }
        }
        let winner = match settings.conflicts {
            Conflicts::Keep | Conflicts::Union | Conflicts::Error => continue,
            Conflicts::Drop => None,
            Conflicts::Majority => majority(labels),
        };
        if labels.len() > 1 {
            let names = labels.keys().map(|set| quoted(set)).collect::<Vec<_>>().join(" and ");
            for (set, members) in labels.iter().filter(|(set, _)| Some(**set) != winner) {
                let why = winner.map_or_else(
                    || format!("conflicting labels of the same text: {names}"),
                    |winner| format!("{}, but most rows with this text have {}", quoted(set), quoted(winner)),
                );
                members.iter().for_each(|row| _ = out.entry(*row).or_insert_with(|| (Reason::Conflict, why.clone())));
            }
        }
    }
    for (index, labels) in joined {
        if let Some(row) = rows.get_mut(index) {
            row.labels = labels;
        }
    }
    let gone: BTreeSet<usize> = out.keys().copied().collect();
    for (index, (reason, why)) in out {
        if let Some(row) = rows.get(index) {
            report.drop(reason, row.id, row.place, || why);
        }
    }
    Ok(rows.into_iter().enumerate().filter(|(index, _)| !gone.contains(index)).map(|(_, row)| row).collect())
}

/// Merges all rows of a text into the first, which gets the labels of all. This suits tables in long format, with one row per
/// text and label.
fn union(
    labels: &BTreeMap<&[String], Vec<usize>>,
    rows: &[Row],
    out: &mut BTreeMap<usize, (Reason, String)>,
) -> Option<(usize, Vec<String>)> {
    let members: BTreeSet<usize> = labels.values().flatten().copied().collect();
    let first = members.first().copied()?;
    let id = rows.get(first).map_or(0, |row| row.id);
    out.extend(members.iter().skip(1).map(|row| (*row, (Reason::Joined, format!("merged into row {id}")))));
    let all: BTreeSet<&String> = labels.keys().copied().flatten().collect();
    Some((first, all.into_iter().cloned().collect()))
}

/// A set of labels, quoted for a message: `"sport", "news"`.
fn quoted(set: &[String]) -> String {
    if set.is_empty() {
        return "no label".to_owned();
    }
    set.iter().map(|label| format!("\"{label}\"")).collect::<Vec<_>>().join(", ")
}

/// The label of most rows, or `None` if there is a tie. Duplicates count as votes: a label given twice is more likely right.
fn majority<'a>(labels: &BTreeMap<&'a [String], Vec<usize>>) -> Option<&'a [String]> {
    let most = labels.values().map(Vec::len).max()?;
    let mut best = labels.iter().filter(|(_, rows)| rows.len() == most).map(|(label, _)| *label);
    let winner = best.next();
    if best.next().is_some() { None } else { winner }
}

fn conflict_error(
    conflicts: usize,
    labels: &BTreeMap<&[String], Vec<usize>>,
    rows: &[Row],
    files: &[SourceFile],
) -> Error {
    let first = labels.iter().filter_map(|(label, members)| Some((label, rows.get(*members.first()?)?)));
    let first: Vec<_> = first.collect();
    let text = first.first().map_or("", |(_, row)| row.text.as_str());
    let places: Vec<_> =
        first.iter().map(|(set, row)| format!("{} ({})", quoted(set), row.place.name(files))).collect();
    Error::data(format!(
        "{} two or more labels; the first, \"{}\": {}",
        if conflicts == 1 { "1 text has".to_owned() } else { format!("{} have", counted(conflicts, "text")) },
        short(text, 60),
        places.join(", ")
    ))
    .hint(
        "`conflicts` below [clean] decides what happens to them: \"drop\", \"majority\", \"keep\" or, for multi-label \
         data, \"union\"",
    )
}
