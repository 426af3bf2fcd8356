//! Training in other numbers than single precision.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
mod support;

use std::fs;

use firebrand_train::{Config, Summary, TrainingPrecision, train};
use support::{World, config};

fn summary(world: &World, run: &str) -> Summary {
    serde_json::from_slice(&fs::read(world.path(run).join("summary.json")).unwrap()).unwrap()
}

#[test]
fn a_stage_in_bfloat16_learns_as_in_single_precision_with_other_rounding() {
    let world = World::new();
    let single = config();
    let half = Config { precision: TrainingPrecision::Bf16, ..config() };
    train(&single, &world.io("single", &single, false), |_| false).unwrap();
    train(&half, &world.io("half", &half, false), |_| false).unwrap();
    let [single, half] = ["single", "half"].map(|run| summary(&world, run));
    assert_eq!((single.precision, half.precision), (TrainingPrecision::Fp32, TrainingPrecision::Bf16));
    for (single, half) in single.epochs.iter().zip(&half.epochs) {
        let moved = (single.validation_loss - half.validation_loss).abs();
        assert!(moved > 0.0 && moved < 0.02 * single.validation_loss, "{single:?} {half:?}");
    }
}
