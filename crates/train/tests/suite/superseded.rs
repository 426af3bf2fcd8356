//! Which checkpoints are resumed: those of the same training, whatever changed around it. Others are set aside.

use std::fs;

use firebrand_pipeline::ErrorKind;
use firebrand_train::{Config, FindLearningRate, Line, RangeTest, train};
use serde_json::Value;

use crate::support::{World, config, rows};

fn plain() -> Config {
    Config { restore_best: false, ..config() }
}

/// Trains until a checkpoint after step 5.
fn stop(world: &World, run: &str, config: &Config) {
    let error = train(config, &world.io(run, config, false), |step| step == 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{}", error.render());
}

fn resume(world: &World, run: &str, config: &Config) {
    train(config, &world.io(run, config, true), |_| false).unwrap();
}

fn model(world: &World, run: &str) -> Vec<u8> {
    fs::read(world.path(run).join("model/model.safetensors")).unwrap()
}

fn is_set_aside(world: &World, run: &str, name: &str) -> bool {
    world.path(run).join(name).join("step-5/model.safetensors").exists()
}

/// Changes the checkpoint's `state.json`.
fn edit_state(world: &World, run: &str, edit: impl Fn(&mut Value)) {
    let path = world.path(run).join("checkpoints/step-5/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut state);
    fs::write(path, state.to_string()).unwrap();
}

#[test]
fn keys_that_change_no_parameter_may_change() {
    let world = World::new();
    train(&plain(), &world.io("straight", &plain(), false), |_| false).unwrap();
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 6] = [
        ("log_steps", |config| config.log_steps = 1),
        ("tensorboard", |config| config.tensorboard = false),
        ("checkpoint_steps", |config| config.checkpoint_steps = 2),
        ("divergence_factor", |config| config.divergence_factor = 0.0),
        ("deterministic", |config| config.deterministic = true),
        ("gradient_checkpointing", |config| config.gradient_checkpointing = true),
    ];
    for (key, change) in changes {
        stop(&world, key, &plain());
        let mut config = plain();
        change(&mut config);
        resume(&world, key, &config);
        assert!(model(&world, "straight") == model(&world, key), "{key} changed the model");
        assert!(!world.path(key).join("checkpoints.superseded").exists(), "{key}");
        assert_eq!(world.path(key).join("tensorboard").exists(), config.tensorboard);
        assert_eq!(world.summary("straight"), world.summary(key), "{key}");
    }
}

#[test]
fn a_key_that_changes_training_starts_over_and_keeps_the_old_checkpoint() {
    let world = World::new();
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 4] = [
        ("batch_size", |config| config.batch_size = 6),
        ("seed", |config| config.seed = 7),
        ("epochs", |config| config.epochs = 3),
        ("reinit_layers", |config| config.reinit_layers = 1),
    ];
    for (key, change) in changes {
        let mut config = plain();
        change(&mut config);
        let straight = format!("{key}-straight");
        train(&config, &world.io(&straight, &config, false), |_| false).unwrap();
        stop(&world, key, &plain());
        resume(&world, key, &config);
        world.assert_equal(&straight, key);
        assert!(is_set_aside(&world, key, "checkpoints.superseded"), "{key}");
    }
}

#[test]
fn other_rows_or_weights_start_over() {
    let world = World::new();
    stop(&world, "rows", &plain());
    world.write("train", &rows(60, 5));
    resume(&world, "rows", &plain());
    assert!(is_set_aside(&world, "rows", "checkpoints.superseded"));
    train(&plain(), &world.io("straight", &plain(), false), |_| false).unwrap();
    world.assert_equal("straight", "rows");

    // Rewritten with the same content, which is the same training.
    stop(&world, "same", &plain());
    world.write("train", &rows(60, 5));
    resume(&world, "same", &plain());
    assert!(!world.path("same/checkpoints.superseded").exists());
    world.assert_equal("straight", "same");
}

/// Nothing is ever deleted, however often it happens.
#[test]
fn every_superseded_checkpoint_is_kept() {
    let world = World::new();
    stop(&world, "run", &plain());
    let second = Config { batch_size: 6, ..plain() };
    train(&second, &world.io("run", &second, true), |step| step == 5).unwrap_err();
    let third = Config { batch_size: 4, ..plain() };
    train(&third, &world.io("run", &third, true), |step| step == 5).unwrap_err();
    // A run that is not to resume leaves them too.
    train(&third, &world.io("run", &third, false), |step| step == 5).unwrap_err();
    for name in ["checkpoints.superseded", "checkpoints.superseded-2", "checkpoints.superseded-3", "checkpoints"] {
        assert!(is_set_aside(&world, "run", name), "{name}");
    }
}

#[test]
fn another_training_format_starts_over() {
    let world = World::new();
    train(&plain(), &world.io("straight", &plain(), false), |_| false).unwrap();
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 2] = [
        ("newer", |state| state["fingerprint"]["format"] = 999.into()),
        // From a program without a format number, with unknown fields.
        ("older", |state| *state = serde_json::json!({ "state": { "steps": 5 } })),
    ];
    for (run, edit) in edits {
        stop(&world, run, &plain());
        edit_state(&world, run, edit);
        resume(&world, run, &plain());
        assert!(is_set_aside(&world, run, "checkpoints.superseded"), "{run}");
        world.assert_equal("straight", run);
    }
}

#[test]
fn another_build_resumes_and_is_recorded() {
    let world = World::new();
    train(&plain(), &world.io("straight", &plain(), false), |_| false).unwrap();
    assert!(world.summary("straight").program_changes.is_empty());
    stop(&world, "rebuilt", &plain());
    edit_state(&world, "rebuilt", |state| state["fingerprint"]["executable"] = "an older build".into());
    // Recorded once, whoever resumes after that.
    train(&plain(), &world.io("rebuilt", &plain(), true), |step| step == 9).unwrap_err();
    resume(&world, "rebuilt", &plain());
    assert!(model(&world, "straight") == model(&world, "rebuilt"));
    let changes = world.summary("rebuilt").program_changes;
    assert_eq!((changes.len(), changes[0].step, changes[0].before.as_str()), (1, 5, "an older build"));
    assert_eq!(changes[0].after.len(), 64);
}

#[test]
fn a_learning_rate_that_was_found_for_other_batches_is_looked_for_again() {
    let world = World::new();
    let found = |run: &str| -> RangeTest {
        serde_json::from_slice(&fs::read(world.path(run).join("learning_rate.json")).unwrap()).unwrap()
    };
    let search = Config { find_learning_rate: FindLearningRate::Use, ..plain() };
    let other = Config { batch_size: 6, ..search.clone() };
    train(&other, &world.io("straight", &other, false), |_| false).unwrap();
    stop(&world, "run", &search);
    let before = found("run");
    resume(&world, "run", &other);
    assert_ne!(before, found("run"));
    world.assert_equal("straight", "run");
    let text = fs::read_to_string(world.path("run/metrics.jsonl")).unwrap();
    let steps: Vec<u64> = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap().step).collect();
    assert!(steps.is_sorted() && steps.iter().filter(|&&step| step == 0).count() == 1, "{steps:?}");
    // Without a search nothing is left of one.
    stop(&world, "off", &search);
    resume(&world, "off", &plain());
    assert!(!world.path("off/learning_rate.json").exists() && !world.path("off/learning_rate.svg").exists());
}
