//! A run that was stopped and resumed ends with the same bytes as one that was not.

use std::collections::BTreeMap;
use std::fs;

use firebrand_pipeline::{ErrorKind, Stage};
use firebrand_train::{ClassWeights, Config, Metric, Sampling, ScheduleShape, Train, train};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::support::{World, config};

/// Trains until the step, which must end in a checkpoint.
fn stop_after(world: &World, run: &str, config: &Config, resume: bool, last: u64) {
    let error = train(config, &world.io(run, config, resume), |step| step == last).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.render().contains(&format!("after step {last} of")), "{}", error.render());
    assert!(error.render().contains("the same command resumes"), "{}", error.render());
    let mut left: Vec<_> =
        fs::read_dir(world.path(run).join("checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    // One checkpoint, and the best parameters once there are some and they are wanted.
    assert_eq!(left.last().unwrap().to_str().unwrap(), format!("step-{last}"));
    assert_eq!(left.len(), if last >= 8 && config.restore_best { 2 } else { 1 }, "{left:?}");
}

#[test]
fn stopping_anywhere_changes_no_byte() {
    let world = World::new();
    // The last parameters, which every step has a hand in; `early_stopping.rs` does the same with the best.
    let config = Config { restore_best: false, ..config() };
    train(&config, &world.io("straight", &config, false), |_| false).unwrap();
    assert!(!world.path("straight/checkpoints").exists());

    train(&config, &world.io("again", &config, false), |_| false).unwrap();
    world.assert_equal("straight", "again");

    // In the first epoch, at its last step but one, at its end, and in the second.
    for last in [1, 7, 8, 13] {
        let run = format!("stopped-{last}");
        stop_after(&world, &run, &config, false, last);
        train(&config, &world.io(&run, &config, true), |_| false).unwrap();
        world.assert_equal("straight", &run);
    }

    for (resume, last) in [(false, 2), (true, 3), (true, 11), (true, 15)] {
        stop_after(&world, "often", &config, resume, last);
    }
    Train::run(&config, &world.io("often", &config, true)).unwrap();
    world.assert_equal("straight", "often");
}

/// Everything that is carried from step to step, at once: averages, moments of layers that are unfrozen later, validations within
/// epochs, the best models, the running loss, gradient accumulation, balanced sampling.
fn everything() -> Config {
    Config {
        batch_size: 4,
        accumulation_steps: 3,
        schedule: ScheduleShape::Cosine,
        warmup_steps: 2,
        layer_decay: 0.9,
        sampling: Sampling::Balanced,
        class_weights: ClassWeights::Balanced,
        label_smoothing: 0.1,
        focal_gamma: 1.0,
        r_drop: 0.5,
        freeze: vec!["embeddings".to_owned()],
        unfreeze_steps: 3,
        reinit_layers: 1,
        ema_decay: 0.9,
        eval_steps: 4,
        early_stopping_metric: Metric::MacroF1,
        early_stopping_patience: 0,
        keep_best: 2,
        epochs: 3,
        ..config()
    }
}

#[test]
fn stopping_at_random_steps_changes_no_byte_with_every_option_on() {
    let world = World::new();
    // LoRA takes the place of gradual unfreezing; `combinations.rs` has both together.
    let low_rank = Config { lora_rank: 2, unfreeze_steps: 0, ..everything() };
    for (restore_best, options) in [(false, everything()), (true, everything()), (false, low_rank)] {
        let config = Config { restore_best, ..options };
        let run = |name: &str| format!("{name}-{restore_best}-{}", config.lora_rank);
        train(&config, &world.io(&run("straight"), &config, false), |_| false).unwrap();
        let steps = 15;
        // Fixed, so that a failure can be repeated.
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for round in 0..4 {
            let name = run(&format!("stopped-{round}"));
            let (first, second) = (rng.random_range(1..steps - 1), rng.random_range(1..steps));
            let mut resume = false;
            for last in [first, first.max(second)] {
                let stopped = train(&config, &world.io(&name, &config, resume), |step| step >= last && step < steps);
                assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Interrupted);
                resume = true;
            }
            train(&config, &world.io(&name, &config, true), |_| false).unwrap();
            world.assert_equal(&run("straight"), &name);
            assert_eq!(best_models(&world, &run("straight")), best_models(&world, &name), "after {first} and {second}");
        }
        assert_eq!(best_models(&world, &run("straight")).len(), 2);
    }
}

/// The models in `best/`, by name.
fn best_models(world: &World, run: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(world.path(run).join("best")).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let bytes = fs::read(entry.path().join("model.safetensors")).unwrap();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .collect()
}

/// What the first test rests on: dropout and seed do decide the bytes.
#[test]
fn dropout_and_seed_change_the_bytes() {
    let world = World::new();
    let dropped = config();
    let plain = Config { hidden_dropout: 0.0, attention_dropout: 0.0, classifier_dropout: 0.0, ..config() };
    let seeded = Config { seed: 43, ..config() };
    for (run, config) in [("dropped", &dropped), ("plain", &plain), ("seeded", &seeded)] {
        train(config, &world.io(run, config, false), |_| false).unwrap();
    }
    assert_ne!(world.outputs("dropped")[0], world.outputs("plain")[0]);
    assert_ne!(world.outputs("dropped")[0], world.outputs("seeded")[0]);
}

#[test]
fn a_damaged_checkpoint_is_named_with_the_way_out() {
    let world = World::new();
    let config = config();
    for file in ["state.json", "model.safetensors", "moments.safetensors"] {
        let run = format!("damaged-{file}");
        stop_after(&world, &run, &config, false, 9);
        let path = world.path(&run).join("checkpoints/step-9").join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = train(&config, &world.io(&run, &config, true), |_| false).unwrap_err();
        let text = error.render();
        assert_eq!(error.kind(), ErrorKind::Data, "{text}");
        assert!(text.contains("cannot resume from the checkpoint") && text.contains("step-9"), "{text}");
        assert!(text.contains("training then starts over"), "{text}");
    }
}

/// What a kill in the middle of writing a checkpoint leaves is neither read nor kept.
#[test]
fn half_written_checkpoints_are_ignored_and_removed() {
    let world = World::new();
    let config = config();
    train(&config, &world.io("straight", &config, false), |_| false).unwrap();
    stop_after(&world, "torn", &config, false, 5);
    let torn = world.path("torn/checkpoints/step-6.tmp");
    fs::create_dir(&torn).unwrap();
    fs::write(torn.join("state.json"), "{").unwrap();
    fs::write(world.path("torn/checkpoints/best-8.safetensors.tmp"), "{").unwrap();
    stop_after(&world, "torn", &config, true, 9);
    assert!(!torn.exists());
    train(&config, &world.io("torn", &config, true), |_| false).unwrap();
    world.assert_equal("straight", "torn");
}

/// Training that ended, whose model could not be written: nothing is trained again.
#[test]
fn a_model_that_could_not_be_saved_is_saved_by_the_next_run() {
    let world = World::new();
    for restore_best in [false, true] {
        let config = Config { restore_best, ..config() };
        let [straight, blocked] = ["straight", "blocked"].map(|name| format!("{name}-{restore_best}"));
        train(&config, &world.io(&straight, &config, false), |_| false).unwrap();
        fs::create_dir_all(world.path(&blocked)).unwrap();
        fs::write(world.path(&blocked).join("model"), "in the way").unwrap();
        train(&config, &world.io(&blocked, &config, false), |_| false).unwrap_err();
        fs::remove_file(world.path(&blocked).join("model")).unwrap();
        // What AdamW remembers is not needed any more, and not kept.
        let checkpoint = world.path(&blocked).join("checkpoints/step-16");
        assert!(checkpoint.join("model.safetensors").exists() && !checkpoint.join("moments.safetensors").exists());
        train(&config, &world.io(&blocked, &config, true), |step| panic!("step {step} was taken again")).unwrap();
        world.assert_equal(&straight, &blocked);
    }
}
