//! When validation happens, which one is best, what is kept of it, and how training ends early.

use std::fs;
use std::path::Path;

use firebrand_arch::softmax;
use firebrand_dataset::TokenRow;
use firebrand_model::{Classifier, device};
use firebrand_pipeline::ErrorKind;
use firebrand_train::{
    Anomaly, ClassWeights, Config, EpochFigures, FindLearningRate, Line, Metric, RangeTest, Sampling, Summary, train,
};

use crate::support::{World, config, rows, tokens};

fn run(world: &World, name: &str, config: &Config) -> Summary {
    train(config, &world.io(name, config, false), |_| false).unwrap();
    world.summary(name)
}

/// Mean loss and accuracy of a saved model over the validation rows.
fn measured(model: &Path) -> (f64, f64) {
    let rows = rows(24, 2);
    let classifier = Classifier::load(model, &device("flex").unwrap()).unwrap();
    let logits = classifier.logits(&tokens(&rows), 10, &mut |_| ()).unwrap();
    let (mut loss, mut right) = (0.0, 0.0);
    for (row, logits) in rows.iter().zip(&logits) {
        let probabilities = softmax(logits);
        let label = row.labels[0] as usize;
        loss -= f64::from(probabilities[label]).ln() / 24.0;
        right += f64::from(u8::from(probabilities.iter().all(|&other| other <= probabilities[label]))) / 24.0;
    }
    (loss, right)
}

#[test]
fn validation_comes_every_so_many_steps_and_at_the_end() {
    let world = World::new();
    let config = Config { eval_steps: 3, early_stopping_patience: 0, ..config() };
    let steps = |summary: &Summary| summary.epochs.iter().map(|found| found.step).collect::<Vec<_>>();
    let found = run(&world, "by-steps", &config);
    assert_eq!(steps(&found), [3, 6, 9, 12, 15, 16]);
    assert_eq!((found.epochs[1].epoch, found.epochs[5].epoch), (0.75, 2.0));
    let found = run(&world, "by-epochs", &Config { eval_steps: 0, ..config });
    assert_eq!(steps(&found), [8, 16]);
}

#[test]
fn the_metric_decides_which_parameters_are_kept() {
    let world = World::new();
    let config = Config { eval_steps: 1, epochs: 3, early_stopping_patience: 0, ..config() };
    let by_loss = run(&world, "loss", &config);
    type Figure = fn(&EpochFigures) -> f64;
    let figures: [(Metric, Figure); 3] = [
        (Metric::Loss, |found| -found.validation_loss),
        (Metric::Accuracy, |found| found.validation_accuracy),
        (Metric::MacroF1, |found| found.validation_macro_f1),
    ];
    for (metric, figure) in figures {
        let config = Config { early_stopping_metric: metric, ..config.clone() };
        let found = run(&world, &format!("{metric:?}"), &config);
        let most = found.epochs.iter().map(figure).fold(f64::NEG_INFINITY, f64::max);
        let first = found.epochs.iter().find(|epoch| figure(epoch) == most).unwrap();
        assert_eq!(found.best.as_ref(), Some(first), "{metric:?}");
        let (loss, accuracy) = measured(&world.path(&format!("{metric:?}")).join("model"));
        assert!((loss - first.validation_loss).abs() < 1e-4, "{metric:?}: {loss} {first:?}");
        assert!((accuracy - first.validation_accuracy).abs() < 1e-9, "{metric:?}: {accuracy} {first:?}");
        if metric == Metric::Accuracy {
            assert_ne!(found.best.unwrap().step, by_loss.best.unwrap().step, "the test needs metrics that disagree");
        }
    }
}

#[test]
fn the_best_models_are_left_beside_the_one() {
    let world = World::new();
    let config = Config { eval_steps: 2, keep_best: 3, early_stopping_patience: 0, ..config() };
    let found = run(&world, "run", &config);
    let mut ranked = found.epochs.clone();
    ranked.sort_by(|one, other| one.validation_loss.total_cmp(&other.validation_loss));
    let mut names: Vec<_> = ranked[..3].iter().map(|epoch| format!("step-{}", epoch.step)).collect();
    for (name, epoch) in names.iter().zip(&ranked) {
        let (loss, _) = measured(&world.path("run/best").join(name));
        assert!((loss - epoch.validation_loss).abs() < 1e-4, "{name}: {loss} {epoch:?}");
    }
    names.sort();
    let entries = fs::read_dir(world.path("run/best")).unwrap();
    let mut left: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, names);
    let one = fs::read(world.path("run/best").join(format!("step-{}", ranked[0].step)).join("model.safetensors"));
    assert!(one.unwrap() == fs::read(world.path("run/model/model.safetensors")).unwrap());
    run(&world, "none", &Config { keep_best: 0, ..config });
    assert!(!world.path("none/best").exists());
}

#[test]
fn the_moving_average_is_what_is_validated_and_saved() {
    let world = World::new();
    for restore_best in [false, true] {
        let plain = Config { restore_best, early_stopping_patience: 0, ..config() };
        let averaged = Config { ema_decay: 0.8, ..plain.clone() };
        let names = [format!("plain-{restore_best}"), format!("averaged-{restore_best}")];
        let plain = run(&world, &names[0], &plain);
        let found = run(&world, &names[1], &averaged);
        // The parameters that are trained stay the same, and so do their losses.
        assert_eq!(plain.epochs[1].training_loss, found.epochs[1].training_loss);
        assert!((plain.epochs[1].validation_loss - found.epochs[1].validation_loss).abs() > 1e-4);
        let saved = if restore_best { found.best.unwrap() } else { found.epochs[1] };
        let (loss, _) = measured(&world.path(&names[1]).join("model"));
        assert!((loss - saved.validation_loss).abs() < 1e-4, "{loss} {saved:?}");
    }
}

#[test]
fn a_breakdown_names_the_step_and_lists_its_rows() {
    let world = World::new();
    // A rate that no training survives.
    let config = Config { learning_rate: 0.9, warmup_ratio: 0.0, divergence_factor: 1.5, ..config() };
    let error = train(&config, &world.io("run", &config, false), |_| false).unwrap_err();
    let text = error.render();
    assert_eq!(error.kind(), ErrorKind::Other, "{text}");
    let path = world.path("run/anomaly.json");
    let anomaly: Anomaly = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(text.contains(&format!("training broke down in step {}", anomaly.step)), "{text}");
    assert!(text.contains("train.divergence_factor") && text.contains(path.to_str().unwrap()), "{text}");
    assert_eq!(anomaly.learning_rate, error_rate(&text), "{text}");
    assert_eq!(anomaly.rows.len(), 8);
    assert!(anomaly.rows.iter().all(|id| *id < 60) && text.contains(&format!("training rows {}, ", anomaly.rows[0])));
    // What was said of an earlier attempt does not outlive it.
    let calm = Config { learning_rate: 1e-4, divergence_factor: 10.0, ..config };
    train(&calm, &world.io("run", &calm, false), |_| false).unwrap();
    assert!(!path.exists());
}

fn error_rate(text: &str) -> f64 {
    let rate = text.split("learning rate ").nth(1).unwrap().split(',').next().unwrap();
    // Printed with three digits.
    let printed: f64 = rate.parse().unwrap();
    (0..16).map(|step| 0.9 * f64::from(16 - step) / 16.0).find(|rate| (rate / printed - 1.0).abs() < 1e-3).unwrap()
}

#[test]
fn what_does_not_fit_model_or_rows_is_refused_by_key() {
    let world = World::new();
    let cases = [
        ("freeze", Config { freeze: vec!["layers.2".to_owned()], ..config() }),
        ("freeze", Config { freeze: vec!["encoder".to_owned(), "head".to_owned()], ..config() }),
        ("reinit_layers", Config { reinit_layers: 3, ..config() }),
        ("warmup_steps", Config { warmup_steps: 16, ..config() }),
        ("lora_targets", Config { lora_rank: 2, lora_targets: vec!["dense".to_owned()], ..config() }),
        ("label_weights", Config { label_weights: [("delta".to_owned(), 2.0)].into(), ..config() }),
    ];
    for (key, config) in cases {
        let error = train(&config, &world.io("run", &config, false), |_| false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{}", error.render());
        assert!(error.message().starts_with(&format!("`{key}`")), "{}", error.render());
    }
}

/// Every option reaches the training: with it the parameters end elsewhere.
#[test]
fn every_option_changes_the_model() {
    let world = World::new();
    let short = Config { restore_best: false, ..config() };
    run(&world, "plain", &short);
    let plain = fs::read(world.path("plain/model/model.safetensors")).unwrap();
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 17] = [
        ("lora_rank", |config| config.lora_rank = 2),
        ("accumulation_steps", |config| config.accumulation_steps = 2),
        ("schedule", |config| config.schedule = firebrand_train::ScheduleShape::Constant),
        ("warmup_steps", |config| config.warmup_steps = 5),
        ("layer_decay", |config| config.layer_decay = 0.8),
        ("sampling", |config| config.sampling = Sampling::Balanced),
        ("class_weights", |config| config.class_weights = ClassWeights::Balanced),
        ("label_weights", |config| config.label_weights = [("beta".to_owned(), 3.0)].into()),
        ("label_smoothing", |config| config.label_smoothing = 0.1),
        ("focal_gamma", |config| config.focal_gamma = 2.0),
        ("r_drop", |config| config.r_drop = 1.0),
        ("freeze", |config| config.freeze = vec!["embeddings".to_owned()]),
        ("unfreeze_steps", |config| config.unfreeze_steps = 4),
        ("reinit_layers", |config| config.reinit_layers = 1),
        ("ema_decay", |config| config.ema_decay = 0.9),
        ("batch_size", |config| config.batch_size = 6),
        ("max_grad_norm", |config| config.max_grad_norm = 0.1),
    ];
    for (name, change) in changes {
        let mut config = short.clone();
        change(&mut config);
        run(&world, name, &config);
        assert!(plain != fs::read(world.path(name).join("model/model.safetensors")).unwrap(), "{name} changes nothing");
    }
}

/// The weight column of the data.
#[test]
fn rows_weigh_as_the_data_says() {
    let world = World::new();
    let short = Config { restore_best: false, ..config() };
    run(&world, "plain", &short);
    let weighted = |weight: fn(u64) -> f32| -> Vec<TokenRow> {
        rows(60, 1).into_iter().map(|row| TokenRow { weight: weight(row.id), ..row }).collect()
    };
    world.write("train", &weighted(|_| 4.0));
    run(&world, "all", &short);
    world.write("train", &weighted(|id| if id % 2 == 0 { 4.0 } else { 0.5 }));
    run(&world, "some", &short);
    let loss = |name: &str| measured(&world.path(name).join("model")).0;
    // Only the proportions count.
    assert!((loss("plain") - loss("all")).abs() < 1e-3, "{} {}", loss("plain"), loss("all"));
    assert!((loss("plain") - loss("some")).abs() > 1e-3, "{} {}", loss("plain"), loss("some"));
    world.write("train", &weighted(|_| -1.0));
    let error = train(&short, &world.io("bad", &short, false), |_| false).unwrap_err();
    assert!(error.render().contains("-1 is not a weight"), "{}", error.render());
}

#[test]
fn a_learning_rate_is_found_on_a_copy_and_used_where_that_is_wanted() {
    let world = World::new();
    let plain = Config { restore_best: false, ..config() };
    run(&world, "off", &plain);
    assert!(!world.path("off/learning_rate.json").exists());
    let first_rate = |name: &str| -> f64 {
        let text = fs::read_to_string(world.path(name).join("metrics.jsonl")).unwrap();
        text.lines().find_map(|line| serde_json::from_str::<Line>(line).unwrap().learning_rate).unwrap()
    };
    let report = Config { find_learning_rate: FindLearningRate::Report, ..plain.clone() };
    run(&world, "report", &report);
    // The search leaves no trace in what is trained.
    world.assert_equal("off", "report");
    let found: RangeTest =
        serde_json::from_str(&fs::read_to_string(world.path("report/learning_rate.json")).unwrap()).unwrap();
    let suggestion = found.suggestion.unwrap();
    assert!((1e-5..0.3).contains(&suggestion), "{suggestion}");
    assert!(found.rates.len() > 20 && found.losses.len() == found.rates.len());
    assert!(fs::read_to_string(world.path("report/learning_rate.svg")).unwrap().contains(&format!("{suggestion:.2e}")));
    let used = Config { find_learning_rate: FindLearningRate::Use, ..plain.clone() };
    run(&world, "use", &used);
    let ratio = first_rate("use") / first_rate("off");
    assert!((ratio / (suggestion / plain.learning_rate) - 1.0).abs() < 1e-9, "{ratio}");

    train(&used, &world.io("resumed", &used, false), |step| step == 5).unwrap_err();
    train(&used, &world.io("resumed", &used, true), |_| false).unwrap();
    world.assert_equal("use", "resumed");
}
