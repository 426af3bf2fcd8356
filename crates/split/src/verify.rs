//! Checks before a split is written: errors and warnings.

use std::collections::HashMap;
use std::path::Path;

use firebrand_dataset::{Example, LabelMap, Part};
use firebrand_pipeline::{Error, Result};

use crate::leaks::key_of;
use crate::plan::Plan;
use crate::report::PerPart;

/// Refuses rows that cannot be split.
pub(crate) fn check_rows(rows: &[Example], labels: &LabelMap, path: &Path) -> Result<()> {
    if rows.is_empty() {
        return Err(Error::data(format!("{} has no rows", path.display()))
            .hint("the report of the clean stage counts what it dropped and why"));
    }
    let mut ids = std::collections::HashSet::new();
    for row in rows {
        if !ids.insert(row.id) {
            return Err(Error::data(format!("{} has the id {} twice", path.display(), row.id))
                .hint("the clean stage gives every row its own id"));
        }
        if let Some(problem) = labels.problem_of(&row.labels) {
            return Err(Error::data(format!("{}: row {} {problem}", path.display(), row.id))
                .hint("examples.parquet and labels.json must come from the same run of the clean stage")
                .hint("if rows may have several labels, or none, set `clean.multi_label = true`"));
        }
    }
    let first = &rows[0].labels;
    if rows.iter().all(|row| row.labels == *first) {
        let names: Vec<String> =
            first.iter().map(|&label| format!("{:?}", labels.name(label).unwrap_or_default())).collect();
        let what = match names.len() {
            0 => "have no label".to_owned(),
            1 => format!("have the label {}", names.concat()),
            _ => format!("have the labels {}", names.join(", ")),
        };
        return Err(Error::data(format!("all {} rows {what}: there is nothing to learn", rows.len()))
            .hint("check `clean.label_column`, `clean.filter` and `clean.rename_labels`"));
    }
    Ok(())
}

/// Number of rows per label and split, in the order of the labels.
pub(crate) fn count(rows: &[Example], labels: &LabelMap, plan: &Plan) -> Vec<PerPart<usize>> {
    let mut counts = vec![PerPart::default(); labels.len()];
    for (row, part) in rows.iter().zip(&plan.parts) {
        for &label in &row.labels {
            if let Some(part) = part {
                *counts[label as usize].of(*part) += 1;
            }
        }
    }
    counts
}

/// Refuses splits that a model cannot be trained or evaluated on; returns warnings.
pub(crate) fn check_parts(
    rows: &[Example],
    labels: &LabelMap,
    plan: &Plan,
    counts: &[PerPart<usize>],
) -> Result<Vec<String>> {
    for part in Part::ALL {
        if !plan.parts.contains(&Some(part)) {
            return Err(empty(part, rows, plan));
        }
    }
    let mut warnings = Vec::new();
    for (name, count) in labels.names().iter().zip(counts) {
        if count.train == 0 {
            return Err(unseen(name, count));
        }
        for (part, rows) in [(Part::Validation, count.validation), (Part::Test, count.test)] {
            if rows == 0 {
                warnings.push(format!(
                    "the {part} split has no row with the label {name:?}: its figures do not cover this label"
                ));
            }
        }
    }
    Ok(warnings)
}

fn empty(part: Part, rows: &[Example], plan: &Plan) -> Error {
    let error = Error::data(format!("the {part} split would have no rows"));
    let gone = plan.leaks.len();
    let given = part == Part::Train || rows.iter().any(|row| row.part == Some(part));
    if gone > 0 && given {
        return error.hint(format!("{gone} rows were removed because the validation or test split has them too"));
    }
    match part {
        Part::Train => error.hint("check that `clean.train_files` and `clean.filter` leave rows to train on"),
        Part::Validation | Part::Test if plan.drawn.contains(&part) => {
            error.hint(format!("there are too few rows or too few groups for `split.{part}`: raise it, or add data"))
        }
        Part::Validation | Part::Test => {
            error.hint(format!("set `split.{part}` to a share above 0, or name files in `clean.{part}_files`"))
        }
    }
}

fn unseen(name: &str, count: &PerPart<usize>) -> Error {
    if count.validation + count.test == 0 {
        return Error::data(format!("no row has the label {name:?} of labels.json"))
            .hint("run the clean stage again, or add rows with this label");
    }
    Error::data(format!(
        "the train split has no row with the label {name:?}; validation has {}, test has {}",
        count.validation, count.test
    ))
    .hint("a model cannot learn a label that it never sees: add rows with it, or exclude it with `clean.filter`")
}

/// Checks that no text and no group is in two splits.
pub(crate) fn check_disjoint(rows: &[Example], plan: &Plan) -> Result<()> {
    let mut texts: HashMap<String, (Part, u64)> = HashMap::new();
    let mut groups: HashMap<&str, (Part, u64)> = HashMap::new();
    for (row, part) in rows.iter().zip(&plan.parts) {
        let Some(part) = *part else { continue };
        let text = *texts.entry(key_of(row)).or_insert((part, row.id));
        let group = row.group.as_deref().map_or((part, row.id), |group| *groups.entry(group).or_insert((part, row.id)));
        for (what, (other, id)) in [("text", text), ("group", group)] {
            if other != part {
                return Err(Error::other(format!(
                    "row {} in {part} has the {what} of row {id} in {other}: a bug in this program",
                    row.id
                ))
                .hint("please report it, with the configuration"));
            }
        }
    }
    Ok(())
}
