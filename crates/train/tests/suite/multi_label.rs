//! Multi-label training: the loss of every decision, and the figures that are saved.

use std::fs;

use firebrand_arch::{ProblemType, sigmoid};
use firebrand_dataset::{LabelMap, TokenRow};
use firebrand_model::{Classifier, device};
use firebrand_train::{Config, Line, train};
use serde_json::Value;

use crate::support::{World, config, label_names, rows, tokens};

/// Rows with two labels have half of their tokens from another third of the vocabulary; rows without any have only the first
/// tokens.
fn several(count: u64, seed: u64) -> Vec<TokenRow> {
    let several = |row: TokenRow| {
        let more = (row.labels[0] + 1) % 3;
        match row.id % 4 {
            0 => TokenRow { labels: vec![], ids: row.ids.iter().map(|id| 1 + id % 2).collect(), ..row },
            1 => {
                let ids = row.ids.iter().enumerate();
                let ids = ids.map(|(place, &id)| if place % 2 == 0 { id } else { 3 + more * 35 + id % 35 }).collect();
                let mut labels = vec![row.labels[0], more];
                labels.sort_unstable();
                TokenRow { ids, labels, ..row }
            }
            _ => row,
        }
    };
    rows(count, seed).into_iter().map(several).collect()
}

fn world() -> World {
    let world = World::new();
    let labels = LabelMap::new(label_names()).unwrap();
    labels.with_multi_label(true).write(&world.path("clean/labels.json")).unwrap();
    world.write("train", &several(240, 1));
    world.write("validation", &several(40, 2));
    world
}

#[test]
fn several_labels_are_learned_and_none_as_well() {
    let world = world();
    let config = Config { epochs: 6, ..config() };
    train(&config, &world.io("run", &config, false), |_| false).unwrap();

    let best = world.summary("run").best.unwrap();
    assert!(best.validation_micro_f1.unwrap() > 0.8, "{best:?}");
    let log = fs::read_to_string(world.path("run/metrics.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    assert!(lines.filter(|line| line.validation_loss.is_some()).all(|line| line.validation_micro_f1.is_some()));
    let hub: Value = serde_json::from_str(&fs::read_to_string(world.path("run/model/config.json")).unwrap()).unwrap();
    assert_eq!(hub["problem_type"], "multi_label_classification");

    // The figures again, from the saved model.
    let classifier = Classifier::load(&world.path("run/model"), &device("flex").unwrap()).unwrap();
    assert_eq!(classifier.config().problem, ProblemType::MultiLabelClassification);
    let rows = several(40, 2);
    let logits = classifier.logits(&tokens(&rows), 7, &mut |_| ()).unwrap();
    let (mut right, mut loss) = (0, 0.0);
    for (row, logits) in rows.iter().zip(&logits) {
        let probabilities = sigmoid(logits);
        let given: Vec<u32> = (0..3).filter(|&label| probabilities[label as usize] >= 0.5).collect();
        right += u32::from(given == row.labels);
        for (label, probability) in (0..).zip(probabilities.into_iter().map(f64::from)) {
            loss -= if row.labels.contains(&label) { probability } else { 1.0 - probability }.ln() / 120.0;
        }
    }
    assert!((f64::from(right) / 40.0 - best.validation_accuracy).abs() < 1e-12, "{right} right, {best:?}");
    assert!((loss - best.validation_loss).abs() < 1e-4, "{loss}, {best:?}");
    assert!(right > 24, "{right} of 40 rows have all labels correct");
}

#[test]
fn a_run_that_is_stopped_ends_with_the_same_bytes() {
    let (world, config) = (world(), config());
    train(&config, &world.io("straight", &config, false), |_| false).unwrap();
    train(&config, &world.io("stopped", &config, false), |step| step == 21).unwrap_err();
    train(&config, &world.io("stopped", &config, true), |_| false).unwrap();
    world.assert_equal("straight", "stopped");
}

#[test]
fn several_labels_where_the_map_says_one_are_refused() {
    let (world, config) = (World::new(), config());
    world.write("train", &several(8, 1));
    let error = train(&config, &world.io("run", &config, false), |_| false).unwrap_err();
    assert!(error.message().starts_with("train row 0: has no label"), "{}", error.render());
}
