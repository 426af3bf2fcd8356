//! Assigns every row to a split.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use firebrand_dataset::{Example, Part};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::assign::{Unit, assign};
use crate::config::Config;
use crate::iterative;
use crate::leaks::{self, Leak, key_of};
use crate::units::units;

/// The split of every row; `None` for rows that were removed as leakage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Option<Part>>,
    pub(crate) leaks: Vec<Leak>,
    /// The splits that were drawn here, not given.
    pub(crate) drawn: Vec<Part>,
    /// Number of units of several rows that share a group or a text.
    pub(crate) bound: usize,
}

/// Plans the split. Deterministic: the result depends only on the arguments.
pub(crate) fn plan(rows: &[Example], multi_label: bool, config: &Config) -> Plan {
    let keys: Vec<String> = rows.iter().map(key_of).collect();
    let mut leaks = leaks::find(rows, &keys);
    let given = |part: Part| rows.iter().any(|row| row.part == Some(part));
    let drawn: Vec<Part> =
        [Part::Validation, Part::Test].into_iter().filter(|&part| !given(part) && config.share(part) > 0.0).collect();

    let mut parts: Vec<Option<Part>> = rows.iter().map(|row| row.part).collect();
    for (part, leak) in parts.iter_mut().zip(&leaks) {
        if leak.is_some() {
            *part = None;
        }
    }
    let rest: Vec<usize> = (0..rows.len())
        .filter(|&row| leaks[row].is_none() && matches!(rows[row].part, None | Some(Part::Train)))
        .collect();
    // Given training rows are drawn from only if there are no rows without a given split.
    let free = rest.iter().any(|&row| rows[row].part.is_none());
    let strata = match (config.stratify, multi_label) {
        (false, _) => Strata::None,
        (true, false) => Strata::Rows,
        (true, true) => Strata::Labels,
    };
    let pool = Pool { rows, from: if free { None } else { Some(Part::Train) }, strata };
    let groups = units(&rest, rows, &keys);
    let bound = groups.iter().filter(|group| group.len() > 1).count();
    for (group, part) in groups.iter().zip(pool.draw(&groups, &drawn, config)) {
        for &row in group {
            parts[row] = Some(part);
        }
    }
    Plan { parts, leaks: leaks.iter_mut().filter_map(Option::take).collect(), drawn, bound }
}

/// The rows that splits are drawn from.
struct Pool<'a> {
    rows: &'a [Example],
    /// The given split of these rows; `None` for rows without one.
    from: Option<Part>,
    strata: Strata,
}

/// What the splits are stratified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strata {
    /// Not stratified.
    None,
    /// By label; each row has one.
    Rows,
    /// By label of multi-label rows, which are in several strata.
    Labels,
}

impl Pool<'_> {
    fn draw(&self, groups: &[Vec<usize>], drawn: &[Part], config: &Config) -> Vec<Part> {
        let mut shares = [0.0; 3];
        for part in drawn {
            shares[*part as usize] = config.share(*part);
        }
        shares[Part::Train as usize] = 1.0 - shares.iter().sum::<f64>();
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let (units, parts) = if self.strata == Strata::Labels {
            let (units, strata) = self.units_by_label(groups);
            let parts = iterative::assign(&units, strata, shares, &mut rng);
            (units, parts)
        } else {
            let (units, strata) = self.units(groups);
            let parts = assign(&units, strata, shares, &mut rng);
            (units, parts)
        };
        let mut repair = Repair::new(&units, self.labels(groups), parts);
        repair.give_training_every_label();
        repair.fill_empty_parts(drawn);
        repair.parts
    }

    /// The groups of rows as units of counts per stratum; a stratum is all rows with the same label.
    fn units(&self, groups: &[Vec<usize>]) -> (Vec<Unit>, usize) {
        let mine = |row: &usize| self.rows[*row].part == self.from;
        let stratum = |row: usize| if self.strata == Strata::Rows { &self.rows[row].labels[..] } else { &[] };
        let kinds: BTreeSet<&[u32]> =
            groups.iter().flatten().filter(|row| mine(row)).map(|&row| stratum(row)).collect();
        let numbers: BTreeMap<&[u32], usize> = kinds.iter().enumerate().map(|(number, &kind)| (kind, number)).collect();
        let unit = |group: &Vec<usize>| {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            for &row in group.iter().filter(|row| mine(row)) {
                *counts.entry(numbers[stratum(row)]).or_default() += 1;
            }
            let fixed = group.iter().any(|row| !mine(row)).then_some(Part::Train);
            let rows = counts.values().sum();
            Unit { counts: counts.into_iter().collect(), rows, fixed }
        };
        (groups.iter().map(unit).collect(), kinds.len())
    }

    /// The groups of rows as units of counts per label; then of rows without labels, and of all rows.
    fn units_by_label(&self, groups: &[Vec<usize>]) -> (Vec<Unit>, usize) {
        let mine = |row: &usize| self.rows[*row].part == self.from;
        let labels: BTreeSet<u32> = groups.iter().flatten().flat_map(|&row| &self.rows[row].labels).copied().collect();
        let numbers: BTreeMap<u32, usize> = labels.iter().enumerate().map(|(number, &label)| (label, number)).collect();
        let (none, all) = (labels.len(), labels.len() + 1);
        let unit = |group: &Vec<usize>| {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            for &row in group.iter().filter(|row| mine(row)) {
                let labels = &self.rows[row].labels;
                labels.iter().for_each(|label| *counts.entry(numbers[label]).or_default() += 1);
                if labels.is_empty() {
                    *counts.entry(none).or_default() += 1;
                }
                *counts.entry(all).or_default() += 1;
            }
            let fixed = group.iter().any(|row| !mine(row)).then_some(Part::Train);
            Unit { rows: counts.get(&all).copied().unwrap_or(0), counts: counts.into_iter().collect(), fixed }
        };
        (groups.iter().map(unit).collect(), all + 1)
    }

    /// Rows per label, for every group.
    fn labels(&self, groups: &[Vec<usize>]) -> Vec<BTreeMap<u32, usize>> {
        let count = |group: &Vec<usize>| {
            let mut counts = BTreeMap::new();
            for label in group.iter().flat_map(|&row| &self.rows[row].labels) {
                *counts.entry(*label).or_default() += 1;
            }
            counts
        };
        groups.iter().map(count).collect()
    }
}

/// Repairs a split after stratification, as small data and large groups may need.
struct Repair<'a> {
    units: &'a [Unit],
    /// Rows per label, for every unit.
    labels: Vec<BTreeMap<u32, usize>>,
    parts: Vec<Part>,
    /// Number of rows per label in each split.
    tally: BTreeMap<u32, [usize; 3]>,
}

impl<'a> Repair<'a> {
    fn new(units: &'a [Unit], labels: Vec<BTreeMap<u32, usize>>, parts: Vec<Part>) -> Self {
        let mut tally: BTreeMap<u32, [usize; 3]> = BTreeMap::new();
        for (labels, part) in labels.iter().zip(&parts) {
            for (&label, rows) in labels {
                tally.entry(label).or_default()[*part as usize] += rows;
            }
        }
        Self { units, labels, parts, tally }
    }

    /// For each label without training rows, moves the smallest unit that has it into training, from the split with most of it.
    fn give_training_every_label(&mut self) {
        let all: Vec<u32> = self.tally.keys().copied().collect();
        for label in all {
            if self.rows(Part::Train, label) > 0 {
                continue;
            }
            let with_it = (0..self.units.len()).filter(|&unit| self.labels[unit].contains_key(&label));
            let order = |&unit: &usize| (self.units[unit].rows, Reverse(self.rows(self.parts[unit], label)), unit);
            if let Some(unit) = with_it.min_by_key(order) {
                self.move_to(Part::Train, unit);
            }
        }
    }

    /// Fills each empty drawn split with the smallest training unit that leaves every label in training.
    fn fill_empty_parts(&mut self, drawn: &[Part]) {
        for &part in drawn {
            if self.parts.contains(&part) {
                continue;
            }
            let spare = |&unit: &usize| {
                self.units[unit].fixed.is_none()
                    && self.parts[unit] == Part::Train
                    && self.labels[unit].iter().all(|(&label, &rows)| self.rows(Part::Train, label) > rows)
            };
            let smallest = (0..self.units.len()).filter(spare).min_by_key(|&unit| (self.units[unit].rows, unit));
            if let Some(unit) = smallest {
                self.move_to(part, unit);
            }
        }
    }

    fn rows(&self, part: Part, label: u32) -> usize {
        self.tally.get(&label).map_or(0, |rows| rows[part as usize])
    }

    fn move_to(&mut self, part: Part, unit: usize) {
        let from = std::mem::replace(&mut self.parts[unit], part);
        for (&label, &rows) in &self.labels[unit] {
            let tally = self.tally.entry(label).or_default();
            tally[from as usize] -= rows;
            tally[part as usize] += rows;
        }
    }
}
