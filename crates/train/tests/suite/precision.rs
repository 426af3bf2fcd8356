//! Training in other precisions than fp32.

use std::fs;

use burn::tensor::Device;
use firebrand_kernels::{Half, Precision};
use firebrand_model::{Classifier, device};
use firebrand_pipeline::ErrorKind;
use firebrand_train::{AdamW, AdamWConfig, Config, Learner, LossScale, StepFigures, TrainingPrecision, train};

use crate::support::{World, config, parameters, rows, tokens};

#[test]
fn a_stage_in_bfloat16_learns_as_in_single_precision_with_other_rounding() {
    let world = World::new();
    let single = Config { precision: TrainingPrecision::Fp32, ..config() };
    let half = Config { precision: TrainingPrecision::Bf16, ..config() };
    train(&single, &world.io("single", &single, false), |_| false).unwrap();
    train(&half, &world.io("half", &half, false), |_| false).unwrap();
    let [single, half] = ["single", "half"].map(|run| world.summary(run));
    assert_eq!((single.precision, half.precision), (TrainingPrecision::Fp32, TrainingPrecision::Bf16));
    for (single, half) in single.epochs.iter().zip(&half.epochs) {
        let moved = (single.validation_loss - half.validation_loss).abs();
        assert!(moved > 0.0 && moved < 0.02 * single.validation_loss, "{single:?} {half:?}");
    }
}

fn learner(precision: Precision, loss_scale: Option<LossScale>, device: &Device) -> Learner {
    let classifier = Classifier::load(&World::new().path("fetch/pretrained"), device).unwrap();
    let adamw = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, no_decay: Vec::new() };
    let learner = Learner::new(classifier, AdamW::new(adamw), 1.0, 1);
    learner.with_precision(precision).with_loss_scale(loss_scale)
}

fn flex() -> Device {
    device("flex").unwrap().autodiff()
}

fn step(learner: Learner, step: u64) -> (Learner, StepFigures) {
    let rows = rows(8, step + 1);
    let labels: Vec<_> = rows.iter().map(|row| &row.labels).collect();
    learner.step(step, &tokens(&rows), &labels, 1e-3).unwrap()
}

/// With casts, as on a GPU, figures are those of fp32 within rounding, but not equal.
#[test]
fn steps_with_casts_are_those_of_single_precision_within_rounding() {
    for (half, scale, room) in [(Half::F16, Some(LossScale::default()), 5e-3), (Half::Bf16, None, 4e-2)] {
        let mut plain = learner(Precision::F32, None, &flex());
        let mut cast = learner(Precision::Cast(half), scale, &flex());
        for number in 0..4 {
            let (expected, found);
            (plain, expected) = step(plain, number);
            (cast, found) = step(cast, number);
            assert!(!found.skipped && found.loss != expected.loss);
            assert!((found.loss - expected.loss).abs() < room * expected.loss, "{half:?}: {expected:?} {found:?}");
            // The norm does not contain the scale.
            assert!((found.grad_norm / expected.grad_norm - 1.0).abs() < room, "{half:?}: {expected:?} {found:?}");
        }
    }
}

#[test]
fn a_step_whose_scaled_gradients_overflow_is_skipped_and_the_scale_halved() {
    let huge = LossScale { scale: 65_536.0 * 65_536.0, good_steps: 1_234 };
    let mut learner = learner(Precision::Cast(Half::F16), Some(huge), &flex());
    let before = parameters(&learner.classifier);
    let mut skipped = 0;
    loop {
        let figures;
        (learner, figures) = step(learner, 0);
        assert!(figures.loss.is_finite());
        if !figures.skipped {
            assert!(figures.grad_norm.is_finite());
            break;
        }
        assert_eq!(parameters(&learner.classifier), before);
        skipped += 1;
        assert!(skipped < 32);
    }
    assert!(skipped >= 4, "{skipped}");
    assert_ne!(parameters(&learner.classifier), before);
}

/// The state of loss scaling is part of a checkpoint. (The stage refuses fp16 on a CPU, where it is slow; it is not wrong.)
#[test]
fn a_run_in_half_precision_resumes_bit_for_bit() {
    let world = World::new();
    let config = Config { precision: TrainingPrecision::Fp16, restore_best: false, ..config() };
    train(&config, &world.io("straight", &config, false), |_| false).unwrap();
    for last in [3, 11] {
        let run = format!("stopped-{last}");
        let stopped = train(&config, &world.io(&run, &config, false), |step| step == last).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Interrupted);
        let state = world.path(&run).join(format!("checkpoints/step-{last}/state.json"));
        let state: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
        let found: LossScale = serde_json::from_value(state["state"]["loss_scale"].clone()).unwrap();
        let skipped = state["state"]["skipped_steps"].as_u64().unwrap();
        assert_eq!(found.scale, LossScale::default().scale / f64::from(1u32 << skipped));
        assert!(found.good_steps <= last - skipped);
        train(&config, &world.io(&run, &config, true), |_| false).unwrap();
        world.assert_equal("straight", &run);
    }
    assert_eq!(world.summary("straight").precision, TrainingPrecision::Fp16);
}

#[test]
fn gradient_checkpointing_changes_no_byte() {
    for precision in [Precision::F32, Precision::Cast(Half::Bf16)] {
        let mut kept = learner(precision, None, &flex());
        let mut computed = learner(precision, None, &flex().gradient_checkpointing());
        for number in 0..3 {
            let (expected, found);
            (kept, expected) = step(kept, number);
            (computed, found) = step(computed, number);
            assert_eq!(expected, found, "{precision:?}");
            assert_eq!(parameters(&kept.classifier), parameters(&computed.classifier), "{precision:?}");
        }
    }
    let world = World::new();
    let (kept, computed) = (config(), Config { gradient_checkpointing: true, ..config() });
    train(&kept, &world.io("kept", &kept, false), |_| false).unwrap();
    train(&computed, &world.io("computed", &computed, false), |_| false).unwrap();
    world.assert_equal("kept", "computed");
}
