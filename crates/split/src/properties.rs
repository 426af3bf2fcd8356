//! Properties that hold for any rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use firebrand_dataset::{Example, Part};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::config::Config;
use crate::leaks::key_of;
use crate::plan::{Plan, plan};
use crate::verify::check_disjoint;

fn part() -> impl Strategy<Value = Option<Part>> {
    prop_oneof![
        6 => Just(None),
        2 => Just(Some(Part::Train)),
        1 => Just(Some(Part::Validation)),
        1 => Just(Some(Part::Test)),
    ]
}

/// Rows with few texts and few groups, so that both repeat; texts also differ in case and white space.
fn tangled() -> impl Strategy<Value = Vec<Example>> {
    let row = (0_u32..60, any::<bool>(), prop::option::of(0_u32..20), 0_u32..4, part());
    let example = row.prop_map(|(text, loud, group, label, part)| Example {
        id: 0,
        text: if loud { format!(" TEXT  {text}") } else { format!("text {text}") },
        pair: (text % 3 == 0).then(|| format!("second{}{}", if loud { "  " } else { " " }, label % 2)),
        labels: vec![label],
        group: group.map(|group| format!("g{group}")),
        weight: 1.0,
        part,
    });
    vec(example, 1..80).prop_map(|mut rows| {
        for (id, row) in rows.iter_mut().enumerate() {
            row.id = id as u64;
        }
        rows
    })
}

/// Rows without groups, given parts or repeated texts.
fn simple() -> impl Strategy<Value = Vec<Example>> {
    vec(0_u32..5, 40..400).prop_map(|labels| {
        let example = |(id, label): (usize, u32)| Example {
            id: id as u64,
            text: format!("text {id}"),
            pair: None,
            labels: vec![label],
            group: None,
            weight: 1.0,
            part: None,
        };
        labels.into_iter().enumerate().map(example).collect()
    })
}

/// The same rows as multi-label data with six labels, some of them rare.
fn with_labels(rows: Vec<Example>, sets: &[u32]) -> Vec<Example> {
    let labels = |set: u32| -> Vec<u32> { (0..6).filter(|label| (set >> (2 * label)) & 3 == label % 4).collect() };
    rows.into_iter().zip(sets.iter().cycle()).map(|(row, &set)| Example { labels: labels(set), ..row }).collect()
}

fn config() -> impl Strategy<Value = Config> {
    (0.05_f64..0.45, 0.05_f64..0.45, any::<bool>(), any::<u64>())
        .prop_map(|(validation, test, stratify, seed)| Config { validation, test, stratify, seed })
}

fn splits_by<'a>(
    rows: &'a [Example],
    plan: &Plan,
    of: impl Fn(&'a Example) -> Option<String>,
) -> HashMap<String, BTreeSet<Part>> {
    let mut sides: HashMap<String, BTreeSet<Part>> = HashMap::new();
    for (row, part) in rows.iter().zip(&plan.parts) {
        if let (Some(name), Some(part)) = (of(row), part) {
            sides.entry(name).or_default().insert(*part);
        }
    }
    sides
}

proptest! {
    #[test]
    fn splits_are_disjoint_and_complete(rows in tangled(), config in config()) {
        let plan = plan(&rows, false, &config);
        prop_assert!(splits_by(&rows, &plan, |row| Some(key_of(row))).values().all(|sides| sides.len() == 1));
        prop_assert!(splits_by(&rows, &plan, |row| row.group.clone()).values().all(|sides| sides.len() == 1));
        prop_assert!(check_disjoint(&rows, &plan).is_ok());

        let removed: BTreeSet<u64> = plan.leaks.iter().map(|leak| leak.id).collect();
        prop_assert_eq!(removed.len(), plan.leaks.len());
        for (row, part) in rows.iter().zip(&plan.parts) {
            prop_assert_eq!(part.is_none(), removed.contains(&row.id));
            // Rows of a given evaluation split are kept or removed, never moved, and none are added.
            for held in [Part::Validation, Part::Test] {
                if row.part == Some(held) {
                    prop_assert!(*part == Some(held) || removed.contains(&row.id));
                } else if *part == Some(held) {
                    prop_assert!(plan.drawn.contains(&held));
                }
            }
            prop_assert!(row.part != Some(Part::Test) || part.is_some());
        }
        for leak in &plan.leaks {
            let (gone, kept) = (&rows[leak.id as usize], &rows[leak.repeats as usize]);
            prop_assert_eq!(plan.parts[leak.repeats as usize].map(Part::name), Some(leak.of));
            prop_assert!(key_of(gone) == key_of(kept) || gone.group.is_some() && gone.group == kept.group);
        }
    }

    #[test]
    fn every_possible_label_is_in_training(rows in tangled(), config in config()) {
        let plan = plan(&rows, false, &config);
        let labels = |wanted: &dyn Fn(&Example, Option<Part>) -> bool| -> BTreeSet<u32> {
            let of = rows.iter().zip(&plan.parts).filter(|(row, part)| wanted(row, **part));
            of.map(|(row, _)| row.labels[0]).collect()
        };
        let free = labels(&|row, part| part.is_some() && matches!(row.part, None | Some(Part::Train)));
        prop_assert_eq!(labels(&|_, part| part == Some(Part::Train)), free);
    }

    #[test]
    fn multi_label_splits_are_disjoint_and_complete(rows in tangled(), sets in vec(any::<u32>(), 1..80), config in config()) {
        let rows = with_labels(rows, &sets);
        let found = plan(&rows, true, &config);
        prop_assert_eq!(&found, &plan(&rows, true, &config));
        prop_assert!(check_disjoint(&rows, &found).is_ok());
        let removed: BTreeSet<u64> = found.leaks.iter().map(|leak| leak.id).collect();
        let labels = |wanted: &dyn Fn(&Example, Option<Part>) -> bool| -> BTreeSet<u32> {
            let of = rows.iter().zip(&found.parts).filter(|(row, part)| wanted(row, **part));
            of.flat_map(|(row, _)| row.labels.clone()).collect()
        };
        for (row, part) in rows.iter().zip(&found.parts) {
            prop_assert_eq!(part.is_none(), removed.contains(&row.id));
        }
        let free = labels(&|row, part| part.is_some() && matches!(row.part, None | Some(Part::Train)));
        prop_assert_eq!(labels(&|_, part| part == Some(Part::Train)), free);
    }

    #[test]
    fn every_multi_label_label_is_near_its_share(rows in simple(), sets in vec(any::<u32>(), 40..400), config in config()) {
        let rows = with_labels(rows, &sets);
        let plan = plan(&rows, true, &config);
        let mut counts: BTreeMap<Option<u32>, [usize; 3]> = BTreeMap::new();
        for (row, part) in rows.iter().zip(&plan.parts) {
            let part = part.unwrap() as usize;
            counts.entry(None).or_default()[part] += 1;
            row.labels.iter().for_each(|&label| counts.entry(Some(label)).or_default()[part] += 1);
        }
        if config.stratify {
            for (label, counts) in counts {
                let rows = counts.iter().sum::<usize>() as f64;
                for part in Part::ALL {
                    let (found, exact) = (counts[part as usize] as f64, rows * config.share(part));
                    // Not guaranteed, as one row counts for several labels; a random split is several times as far off.
                    prop_assert!((found - exact).abs() <= 4.0, "{:?} {}: {} instead of {}", label, part, found, exact);
                }
            }
        }
    }

    #[test]
    fn equal_arguments_give_equal_plans(rows in tangled(), config in config()) {
        prop_assert_eq!(plan(&rows, false, &config), plan(&rows, false, &config));
    }

    #[test]
    fn single_rows_meet_the_shares_within_one_row(rows in simple(), config in config()) {
        let plan = plan(&rows, false, &config);
        let mut counts: BTreeMap<Option<u32>, [usize; 3]> = BTreeMap::new();
        for (row, part) in rows.iter().zip(&plan.parts) {
            let part = part.unwrap() as usize;
            counts.entry(None).or_default()[part] += 1;
            counts.entry(Some(row.labels[0])).or_default()[part] += 1;
        }
        // Each label that was moved into training to have one row there may be one row off.
        let mended = counts.iter().filter(|(label, counts)| label.is_some() && counts[0] == 1).count() as f64;
        for (label, counts) in counts {
            // The total is the sum of up to five roundings, which compensate for each other.
            let most = 1.0 + if label.is_none() { mended + f64::from(u8::from(config.stratify)) } else { 0.0 };
            let rows = counts.iter().sum::<usize>() as f64;
            for part in Part::ALL {
                if !config.stratify && label.is_some() {
                    continue;
                }
                let (found, exact) = (counts[part as usize] as f64, rows * config.share(part));
                prop_assert!((found - exact).abs() < most + 1e-6, "{label:?} {part}: {found} instead of {exact}");
            }
        }
    }
}
