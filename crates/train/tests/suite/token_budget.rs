//! Batches under a token budget: steps, schedule and resuming follow it.

use std::fs;

use firebrand_pipeline::ErrorKind;
use firebrand_train::{BatchSize, Config, Line, Sampler, train};

use crate::support::{World, config, rows};

fn budgeted() -> Config {
    // Without sorting, epochs have different numbers of steps.
    let config = Config { tokens_per_batch: 60, accumulation_steps: 2, sort_window: 0, ..config() };
    Config { epochs: 3, restore_best: false, log_steps: 1, ..config }
}

/// Steps of each epoch, from the sampler alone.
fn steps(config: &Config) -> Vec<u64> {
    let sampler = Sampler {
        lengths: rows(60, 1).iter().map(|row| row.ids.len()).collect(),
        by_label: None,
        batch: BatchSize::Tokens(config.tokens_per_batch),
        devices: 1,
        sort_window: config.sort_window,
        seed: config.seed,
    };
    (0..config.epochs).map(|epoch| sampler.epoch(epoch).len().div_ceil(config.accumulation_steps) as u64).collect()
}

#[test]
fn steps_and_schedule_follow_the_budget() {
    let (world, config) = (World::new(), budgeted());
    let steps = steps(&config);
    let total: u64 = steps.iter().sum();
    // The test rests on another number of steps than 60 rows in batches of 8 make, and on epochs that differ.
    assert!(total != 12 && steps.iter().any(|count| *count != steps[0]), "{steps:?}");

    train(&config, &world.io("budget", &config, false), |_| false).unwrap();
    let summary = world.summary("budget");
    assert_eq!((summary.steps, summary.stopped_early), (total, false));
    let ends = steps.iter().scan(0, |end, steps| {
        *end += steps;
        Some(*end)
    });
    assert_eq!(summary.epochs.iter().map(|figures| figures.step).collect::<Vec<_>>(), ends.collect::<Vec<_>>());
    assert_eq!(summary.epochs.iter().map(|figures| figures.epoch).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);

    // The rate climbs in a tenth of these steps and would be zero one step after the last.
    let text = fs::read_to_string(world.path("budget/metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    let rates: Vec<f64> = lines.filter_map(|line| line.learning_rate).collect();
    assert_eq!(rates.len() as u64, total);
    let warmup = (0.1 * total as f64).ceil();
    let last = config.learning_rate / (total as f64 - warmup);
    assert!((rates[rates.len() - 1] - last).abs() < 1e-12, "{} {last}", rates[rates.len() - 1]);
    assert!((rates[warmup as usize] - config.learning_rate).abs() < 1e-12);
}

#[test]
fn stopping_anywhere_in_an_epoch_changes_no_byte() {
    let (world, config) = (World::new(), budgeted());
    let steps = steps(&config);
    train(&config, &world.io("straight", &config, false), |_| false).unwrap();
    for last in [2, steps[0], steps[0] + 1, steps[0] + steps[1] + 2] {
        let run = format!("stopped-{last}");
        let stopped = train(&config, &world.io(&run, &config, false), |step| step == last);
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Interrupted);
        train(&config, &world.io(&run, &config, true), |_| false).unwrap();
        world.assert_equal("straight", &run);
    }
}

#[test]
fn a_row_that_is_longer_than_the_budget_is_named() {
    let (world, config) = (World::new(), Config { tokens_per_batch: 15, ..config() });
    let longer = rows(60, 1).into_iter().find(|row| row.ids.len() > 15).unwrap();
    let error = train(&config, &world.io("small", &config, false), |_| false).unwrap_err();
    let text = error.render();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(text.contains("`tokens_per_batch` is 15"), "{text}");
    assert!(
        text.contains(&format!("row {} of the training split has {} tokens", longer.id, longer.ids.len())),
        "{text}"
    );
}
