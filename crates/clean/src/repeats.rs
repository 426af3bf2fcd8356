//! The same text more than once.
//!
//! Both steps look at each given part by itself: a text that stands in two parts is a leak, which is the split stage's
//! business, and a test row must not vanish because of a training row.

use std::collections::{BTreeSet, HashMap, HashSet};

use firebrand_dataset::Part;
use firebrand_pipeline::{Error, Result};

use crate::nearest::{count, short};
use crate::report::{Reason, Report};
use crate::rows::{Loaded, Row};
use crate::settings::{Conflicts, Duplicates};

/// Drops rows whose text and label an earlier row of the same part has.
pub(crate) fn duplicates(loaded: &mut Loaded, choice: Duplicates, report: &mut Report) {
    if choice == Duplicates::Keep {
        return;
    }
    let mut first: HashMap<(Option<Part>, String, String), usize> = HashMap::new();
    let mut again = HashSet::new();
    let mut copies: HashMap<usize, usize> = HashMap::new();
    for (index, row) in loaded.rows.iter().enumerate() {
        let key = (row.part, row.label().to_owned(), row.text().to_owned());
        match first.get(&key) {
            Some(original) => {
                *copies.entry(*original).or_default() += 1;
                again.insert(row.id);
            }
            None => _ = first.insert(key, index),
        }
    }
    for (index, row) in loaded.rows.iter_mut().enumerate() {
        row.copies += copies.get(&index).copied().unwrap_or_default();
    }
    report.retain(loaded, Reason::Duplicate, |row| !again.contains(&row.id));
}

/// Handles texts that stand under several labels in one part.
pub(crate) fn conflicts(loaded: &mut Loaded, choice: Conflicts, report: &mut Report) -> Result<()> {
    let mut places: HashMap<(Option<Part>, &str), Vec<&Row>> = HashMap::new();
    for row in &loaded.rows {
        places.entry((row.part, row.text())).or_default().push(row);
    }
    let mut conflicts: Vec<_> = places
        .into_values()
        .filter(|rows| rows.iter().any(|row| Some(row.label()) != rows.first().map(|row| row.label())))
        .collect();
    conflicts.sort_by_key(|rows| rows.first().map(|row| row.id));
    report.conflicting_texts = conflicts.len();
    if choice == Conflicts::Error && !conflicts.is_empty() {
        return Err(refuse(&conflicts, loaded));
    }
    let mut drop = HashSet::new();
    if choice != Conflicts::Keep {
        for rows in &conflicts {
            let winner = if choice == Conflicts::Majority { majority(rows) } else { None };
            drop.extend(rows.iter().filter(|row| Some(row.label()) != winner).map(|row| row.id));
        }
    }
    report.retain(loaded, Reason::Conflict, |row| !drop.contains(&row.id));
    Ok(())
}

/// The label that most source rows have, duplicates counted; none if two have as many.
fn majority<'a>(rows: &[&'a Row]) -> Option<&'a str> {
    let mut votes: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        *votes.entry(row.label()).or_default() += row.copies;
    }
    let most = votes.values().copied().max()?;
    let mut winners = votes.into_iter().filter(|(_, count)| *count == most).map(|(label, _)| label);
    let winner = winners.next();
    if winners.next().is_some() { None } else { winner }
}

fn refuse(conflicts: &[Vec<&Row>], loaded: &Loaded) -> Error {
    let shown = conflicts.iter().take(3).map(|rows| {
        let places: Vec<_> =
            rows.iter().take(4).map(|row| format!("\"{}\" ({})", row.label(), loaded.place(row))).collect();
        format!("\n  \"{}\": {}", short(rows.first().map(|row| row.text()).unwrap_or_default(), 60), places.join(", "))
    });
    Error::data(format!("{} texts stand under several labels:{}", count(conflicts.len()), shown.collect::<String>()))
        .hint("correct the labels, or set `conflicts` below [clean] to \"drop\", \"majority\" or \"keep\"")
}

/// How many texts stand in several given parts.
pub(crate) fn across_parts(rows: &[Row]) -> usize {
    let mut parts: HashMap<&str, BTreeSet<Option<Part>>> = HashMap::new();
    for row in rows {
        parts.entry(row.text()).or_default().insert(row.part);
    }
    parts.values().filter(|parts| parts.len() > 1).count()
}
