//! `report.json`: sizes, labels and leakage of the splits.

use std::collections::BTreeSet;

use firebrand_dataset::{Example, LabelMap, Part};
use serde::Serialize;

use crate::config::Config;
use crate::leaks::{Leak, Same};
use crate::plan::Plan;

/// One value per split.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct PerPart<T> {
    pub(crate) train: T,
    pub(crate) validation: T,
    pub(crate) test: T,
}

impl<T> PerPart<T> {
    pub(crate) fn of(&mut self, part: Part) -> &mut T {
        match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }
}

/// The content of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    seed: u64,
    stratify: bool,
    /// Number of input rows.
    rows_in: usize,
    /// Rows per split.
    rows: PerPart<usize>,
    /// Each split's share of the rows that were kept.
    shares: PerPart<f64>,
    /// Splits that were drawn here; the others were given.
    drawn: Vec<&'static str>,
    labels: Vec<Label<'a>>,
    /// Rows without any label; only for multi-label data.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_without_label: Option<PerPart<usize>>,
    /// Number of distinct groups per split.
    groups: PerPart<usize>,
    /// Number of units of several rows that share a group or a text.
    bound_together: usize,
    leaks: Leaks<'a>,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct Label<'a> {
    label: &'a str,
    rows: PerPart<usize>,
    /// The label's share of each split.
    shares: PerPart<f64>,
}

#[derive(Debug, Serialize)]
struct Leaks<'a> {
    removed: usize,
    by_text: usize,
    by_group: usize,
    rows: &'a [Leak],
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        rows: &[Example],
        labels: &'a LabelMap,
        plan: &'a Plan,
        counts: &[PerPart<usize>],
        warnings: &'a [String],
        config: &Config,
    ) -> Self {
        let (mut sizes, mut names) = (PerPart::<usize>::default(), PerPart::<BTreeSet<&str>>::default());
        let mut unlabelled = PerPart::<usize>::default();
        for (row, part) in rows.iter().zip(&plan.parts) {
            if let Some(part) = *part {
                *unlabelled.of(part) += usize::from(row.labels.is_empty());
                *sizes.of(part) += 1;
                names.of(part).extend(row.group.as_deref());
            }
        }
        let kept = sizes.train + sizes.validation + sizes.test;
        let label = |(label, &rows): (&'a String, &PerPart<usize>)| Label { label, rows, shares: shares(rows, sizes) };
        let by = |same: Same| plan.leaks.iter().filter(|leak| leak.same == same).count();
        Self {
            seed: config.seed,
            stratify: config.stratify,
            rows_in: rows.len(),
            rows: sizes,
            shares: shares(sizes, PerPart { train: kept, validation: kept, test: kept }),
            drawn: plan.drawn.iter().map(|part| part.name()).collect(),
            labels: labels.names().iter().zip(counts).map(label).collect(),
            rows_without_label: labels.is_multi_label().then_some(unlabelled),
            groups: PerPart { train: names.train.len(), validation: names.validation.len(), test: names.test.len() },
            bound_together: plan.bound,
            leaks: Leaks {
                removed: plan.leaks.len(),
                by_text: by(Same::Text),
                by_group: by(Same::Group),
                rows: &plan.leaks,
            },
            warnings,
        }
    }

    /// One line for the log: rows per split, and rows removed.
    pub(crate) fn summary(&self) -> String {
        let PerPart { train, validation, test } = self.rows;
        let removed = match self.leaks.removed {
            0 => String::new(),
            removed => format!("; {removed} removed as leakage from validation or test"),
        };
        format!("{train} rows for training, {validation} for validation, {test} for test{removed}")
    }
}

fn shares(rows: PerPart<usize>, of: PerPart<usize>) -> PerPart<f64> {
    let share = |rows: usize, of: usize| if of == 0 { 0.0 } else { rows as f64 / of as f64 };
    PerPart {
        train: share(rows.train, of.train),
        validation: share(rows.validation, of.validation),
        test: share(rows.test, of.test),
    }
}
