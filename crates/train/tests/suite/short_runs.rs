//! Runs that are too short to learn, or do not learn, say so.

use std::fs;

use firebrand_arch::StartFrom;
use firebrand_model::{Classifier, device};
use firebrand_train::{Config, FindingKind, Line, Summary, train};

use crate::support::{World, config, label_names, parameters, rows};

fn run(world: &World, name: &str, config: &Config) -> (Summary, Vec<Line>) {
    train(config, &world.io(name, config, false), |_| false).unwrap();
    let log = fs::read_to_string(world.path(name).join("metrics.jsonl")).unwrap();
    (world.summary(name), log.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn kinds(summary: &Summary) -> Vec<FindingKind> {
    summary.findings.iter().map(|finding| finding.kind).collect()
}

/// 24 rows, batches of 64, one epoch.
#[test]
fn one_step_is_a_step() {
    let world = World::new();
    world.write("train", &rows(24, 1));
    let config = Config { epochs: 1, batch_size: 64, ..config() };
    let (summary, lines) = run(&world, "run", &config);
    assert_eq!(summary.steps, 1);
    let rates: Vec<f64> = lines.iter().filter_map(|line| line.learning_rate).collect();
    assert_eq!(rates, [config.learning_rate]);
    assert!(kinds(&summary).contains(&FindingKind::FewSteps), "{:?}", summary.findings);
    assert!(summary.findings[0].message.contains("1 step: 24 rows, batches of 64 rows"), "{:?}", summary.findings);

    let flex = device("flex").unwrap();
    let from = StartFrom::new(label_names(), config.seed);
    let before = parameters(&Classifier::start(&world.path("fetch/pretrained"), &from, &flex).unwrap().0);
    let after = parameters(&Classifier::load(&world.path("run/model"), &flex).unwrap());
    assert_ne!(before, after);
}

/// 96 rows, batches of 16, one epoch: no step is spent at a rate of zero.
#[test]
fn six_steps_all_move() {
    let world = World::new();
    world.write("train", &rows(96, 1));
    let config = Config { epochs: 1, batch_size: 16, log_steps: 1, ..config() };
    let (summary, lines) = run(&world, "run", &config);
    let rates: Vec<f64> = lines.iter().filter_map(|line| line.learning_rate).collect();
    assert_eq!((summary.steps, rates.len()), (6, 6));
    assert!(rates[0] == config.learning_rate && rates.iter().all(|&rate| rate > 0.0), "{rates:?}");
    assert!(kinds(&summary).contains(&FindingKind::FewSteps));
}

#[test]
fn the_start_is_measured_and_a_model_that_is_no_better_is_called_that() {
    let world = World::new();
    for restore_best in [true, false] {
        let tiny = Config { learning_rate: 1e-9, restore_best, ..config() };
        let (summary, lines) = run(&world, &format!("tiny-{restore_best}"), &tiny);
        assert_eq!(kinds(&summary), [FindingKind::NoBetterThanStart], "{:?}", summary.findings);
        let start = summary.start.unwrap();
        assert!(summary.findings[0].message.contains(&format!("{:.4}", start.loss)), "{:?}", summary.findings);
        assert_eq!((lines[0].step, lines[0].validation_loss), (0, Some(start.loss)));
    }
    let (summary, _) = run(&world, "fine", &config());
    assert_eq!(kinds(&summary), []);
    assert!(summary.best.unwrap().validation_loss < summary.start.unwrap().loss);
}

/// Validation batches under the budget of training.
#[test]
fn validation_honours_the_budget_of_tokens() {
    let world = World::new();
    let by_rows = Config { restore_best: false, ..config() };
    // The same training batches: one row alone.
    let budget = Config { tokens_per_batch: 20, ..by_rows.clone() };
    let (summary, _) = run(&world, "budget", &budget);
    let (again, _) = run(&world, "rows", &Config { eval_batch_size: 1, ..budget });
    // It decides instead of `eval_batch_size`.
    assert_eq!(summary, again);
}
