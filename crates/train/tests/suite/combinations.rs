//! Every pair of the options that decide which parameters are trained: what is frozen keeps its bytes at every moment, and a
//! run that is stopped and resumed ends as one that was not.

use std::collections::BTreeMap;

use firebrand_arch::{SafetensorsFile, StartFrom};
use firebrand_model::{Classifier, device};
use firebrand_pipeline::ErrorKind;
use firebrand_train::{Config, Reinit, train};

use crate::support::{World, config, label_names, parameters};

type Setting = (&'static str, fn(&mut Config));

/// Layer 1 joins after six steps, layer 0 after twelve, the embeddings never: there are sixteen.
const UNFREEZE_STEPS: u64 = 6;

const OPTIONS: [Setting; 6] = [
    ("freeze", |config| config.freeze = vec!["embeddings".to_owned(), "layers.0".to_owned()]),
    ("unfreeze_steps", |config| config.unfreeze_steps = UNFREEZE_STEPS),
    ("lora_rank", |config| config.lora_rank = 2),
    ("layer_decay", |config| config.layer_decay = 0.8),
    ("ema_decay", |config| config.ema_decay = 0.9),
    ("reinit_layers", |config| config.reinit_layers = 1),
];

/// Whether the options freeze a parameter in all of the first `steps` steps.
fn is_frozen(config: &Config, path: &str, steps: u64) -> bool {
    let (layer_0, layer_1) = (path.starts_with("encoder.layers.0."), path.starts_with("encoder.layers.1."));
    let embeddings = path.starts_with("encoder.embeddings");
    let target = path.ends_with("attention.query.weight") || path.ends_with("attention.value.weight");
    let by_freeze = !config.freeze.is_empty() && (embeddings || layer_0);
    // The last step before a layer joins is one of those that leave it alone.
    let joins = |times| steps <= times * UNFREEZE_STEPS;
    let by_unfreezing =
        config.unfreeze_steps > 0 && (embeddings && joins(3) || layer_0 && joins(2) || layer_1 && joins(1));
    let by_lora = config.lora_rank > 0 && path.starts_with("encoder.") && !target;
    by_freeze || by_unfreezing || by_lora
}

/// The parameters that training starts from.
fn start(world: &World, config: &Config) -> BTreeMap<String, Vec<f32>> {
    let from = StartFrom::new(label_names(), config.seed);
    let device = device("flex").unwrap().autodiff();
    let (classifier, report) = Classifier::start(&world.path("fetch/pretrained"), &from, &device).unwrap();
    let (count, deviation) = (config.reinit_layers, classifier.config().initializer_range);
    let reinit = Reinit { count, layers: 2, pooler: !report.new.is_empty(), deviation, seed: config.seed };
    let classifier = if count > 0 { classifier.map_network(|network| reinit.apply(network)) } else { classifier };
    parameters(&classifier)
}

#[track_caller]
fn check_frozen(world: &World, run: &str, config: &Config, step: u64) {
    let directory = world.path(run).join(format!("checkpoints/step-{step}"));
    let mut files = vec!["model.safetensors"];
    files.extend((config.ema_decay > 0.0).then_some("average.safetensors"));
    for file in files {
        let tensors = SafetensorsFile::read(&directory.join(file)).unwrap();
        let (mut frozen, mut trained) = (0, 0);
        for (path, before) in start(world, config) {
            let same = tensors.floats(&path).unwrap().values == before;
            if is_frozen(config, &path, step) {
                assert!(same, "{run}, step {step}, {file}: {path} is frozen and moved");
                frozen += 1;
            } else {
                trained += usize::from(!same);
            }
        }
        assert!(trained > 0, "{run}, step {step}: nothing moved");
        let freezes = !config.freeze.is_empty() || config.lora_rank > 0 || config.unfreeze_steps > 0;
        assert_eq!(frozen > 0, freezes, "{run}, step {step}");
    }
}

fn check(world: &World, options: &[Setting]) {
    let name = options.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("-");
    let mut config = Config { restore_best: false, early_stopping_patience: 0, ..config() };
    options.iter().for_each(|(_, set)| set(&mut config));
    train(&config, &world.io(&name, &config, false), |_| false).unwrap();
    let stopped = format!("{name}-stopped");
    // Before the first layer joins, in the step before, and with only the embeddings left.
    for (resume, step) in [(false, 3), (true, UNFREEZE_STEPS), (true, 13)] {
        let error = train(&config, &world.io(&stopped, &config, resume), |done| done == step).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{}", error.render());
        check_frozen(world, &stopped, &config, step);
    }
    train(&config, &world.io(&stopped, &config, true), |_| false).unwrap();
    world.assert_equal(&name, &stopped);
}

#[test]
fn pairs_keep_frozen_bytes_and_resume_to_the_same_bytes() {
    let world = World::new();
    for (index, one) in OPTIONS.iter().enumerate() {
        for other in &OPTIONS[index + 1..] {
            check(&world, &[*one, *other]);
        }
    }
}

#[test]
fn all_at_once_keep_frozen_bytes_and_resume_to_the_same_bytes() {
    check(&World::new(), &OPTIONS);
}
