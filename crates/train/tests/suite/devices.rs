//! Several devices, and tensors prepared ahead, train as one device does. There is one CPU device, which stands in for several
//! here: each has its own copy of the parameters, its own graph and its own thread.

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::Device;
use firebrand_dataset::{LabelMap, TokenRow};
use firebrand_kernels::Precision;
use firebrand_model::device;
use firebrand_pipeline::ErrorKind;
use firebrand_train::{
    AdamW, AdamWConfig, Config, Freeze, Learner, Lora, Objective, Rows, StepFigures, Trainer, train,
};

use crate::support::{World, config, label_names, micro_batch, parameters, rows};

fn cpu(name: &str) -> Device {
    device(name).unwrap().autodiff()
}

fn learner(name: &str, devices: usize, dropout: f64) -> Learner {
    let no_decay = AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec();
    let adamw = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-4, weight_decay: 0.01, no_decay };
    let others = (1..devices).map(|_| cpu(name));
    Learner::new(World::new().classifier(dropout, &cpu(name)), AdamW::new(adamw), 1.0, 1).with_more_devices(others)
}

type Parameters = BTreeMap<String, Vec<f32>>;

/// Three steps: two batches of 12, then one of 7 alone, then one of a single row.
fn steps(mut learner: Learner, rows: &[TokenRow], weights: &[f32]) -> (Vec<StepFigures>, Parameters) {
    let part = |range: std::ops::Range<usize>| {
        micro_batch(&rows[range.clone()], if weights.is_empty() { &[] } else { &weights[range] })
    };
    let mut found = Vec::new();
    for (step, batches) in [vec![part(0..12), part(12..24)], vec![part(24..31)], vec![part(31..32)]].iter().enumerate()
    {
        let figures;
        (learner, figures) = learner.step_over(step as u64, batches, 1e-3).unwrap();
        found.push(figures);
    }
    (found, parameters(&learner.classifier))
}

#[track_caller]
fn assert_close(one: &(Vec<StepFigures>, Parameters), other: &(Vec<StepFigures>, Parameters), what: &str) {
    for (one, other) in one.0.iter().zip(&other.0) {
        assert!((one.loss - other.loss).abs() < 1e-5 * one.loss, "{what}: {one:?} {other:?}");
        assert!((one.grad_norm - other.grad_norm).abs() < 1e-4 * one.grad_norm, "{what}: {one:?} {other:?}");
    }
    assert_eq!(one.1.keys().collect::<Vec<_>>(), other.1.keys().collect::<Vec<_>>());
    for (path, values) in &one.1 {
        // The largest step is 1e-3; the rate of Adam's epsilon keeps rounding's noise far below.
        let apart = values.iter().zip(&other.1[path]).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(apart < 2e-5, "{what}: {path} differs by {apart}");
    }
}

#[test]
fn several_devices_train_as_one_does() {
    let rows = rows(32, 3);
    let weights: Vec<f32> = (0..32).map(|row| 0.5 + (row % 5) as f32 / 2.0).collect();
    for name in firebrand_model::CPU_DEVICES {
        let one = steps(learner(name, 1, 0.0), &rows, &[]);
        for devices in [2, 3, 5] {
            let several = steps(learner(name, devices, 0.0), &rows, &[]);
            assert_close(&one, &several, &format!("{devices} of {name}"));
            // Timing changes nothing.
            assert_eq!(several, steps(learner(name, devices, 0.0), &rows, &[]));
        }
    }
    let objective =
        Objective { label_weights: Some(vec![3.0, 1.0, 0.25]), label_smoothing: 0.1, ..Objective::default() };
    let weighted = |devices| steps(learner("flex", devices, 0.0).with_objective(objective.clone()), &rows, &weights);
    assert_close(&weighted(1), &weighted(3), "weighted");
    // The comparisons rest on weights that matter.
    assert!((weighted(1).0[0].loss - steps(learner("flex", 1, 0.0), &rows, &[]).0[0].loss).abs() > 1e-3);
}

#[test]
fn freezing_and_lora_work_on_every_device() {
    let rows = rows(32, 3);
    let freeze = Freeze::new(&["embeddings".to_owned(), "layers.0".to_owned()], 0, 2).unwrap();
    let frozen = |devices| {
        let mut learner = learner("flex", devices, 0.0);
        learner.classifier = learner.classifier.map_network(|network| freeze.apply(network, 0));
        steps(learner, &rows, &[])
    };
    assert_close(&frozen(1), &frozen(2), "frozen");
    let low_rank = |devices| {
        let learner = learner("flex", devices, 0.0);
        let lora = Lora::new(&learner.classifier.network, 2, 8.0, &["query".to_owned()], 1).unwrap();
        steps(learner.with_lora(Some(lora)), &rows, &[])
    };
    assert_close(&low_rank(1), &low_rank(2), "low rank");
}

/// The precision holds on every device's thread.
#[test]
fn every_device_computes_in_the_same_precision() {
    let rows = rows(32, 3);
    let loss =
        |devices, precision| steps(learner("flex", devices, 0.0).with_precision(precision), &rows, &[]).0[0].loss;
    let (half, single) = (loss(1, Precision::Bf16), loss(1, Precision::F32));
    assert!((half - single).abs() > 1e-5, "{half} {single}");
    assert!((loss(3, Precision::Bf16) - half).abs() < 1e-5 * half);
}

/// The same rows twice: were the masks of two devices the same, the loss would be that of one.
#[test]
fn every_device_has_masks_of_its_own() {
    let few = rows(6, 3);
    let twice: Vec<TokenRow> = few.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
    let loss = |rows: &[TokenRow], devices| {
        let batch = micro_batch(rows, &[]);
        learner("flex", devices, 0.3).step_over(5, &[batch], 1e-3).unwrap().1.loss
    };
    assert!((loss(&twice, 2) - loss(&few, 1)).abs() > 1e-4);
    assert_eq!(loss(&twice, 2), loss(&twice, 2));
}

#[test]
fn a_second_cpu_is_refused_with_a_hint() {
    let (world, config) = (World::new(), Config { devices: 2, ..config() });
    let error = train(&config, &world.io("two", &config, false), |_| false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.render().contains("`devices` is 2"), "{}", error.render());
}

#[test]
fn tensors_prepared_ahead_change_no_byte() {
    let world = World::new();
    let labels = LabelMap::new(label_names()).unwrap();
    let part = |count, seed, name| Rows::new(rows(count, seed), &labels, name).unwrap();
    let (training, validation) = (part(60, 1, "train"), part(24, 2, "validation"));
    let base = config();
    let options = [
        base.clone(),
        Config { batch_size: 4, accumulation_steps: 3, tokens_per_batch: 50, unfreeze_steps: 3, ..base.clone() },
    ];
    for (index, config) in options.iter().enumerate() {
        let run = |ahead: bool, stop: u64, resume: bool| {
            let io = world.io(&format!("{index}-{ahead}"), config, resume);
            let classifier = world.classifier(0.1, &cpu("flex"));
            let trainer = Trainer::new(config, &io, classifier, &training, &validation).unwrap();
            trainer.stop_when(move |step| step == stop).feed_ahead(ahead).run().and_then(|outcome| outcome.write(&io))
        };
        run(false, 0, false).unwrap();
        // Stopped in the middle too, with prepared tensors that are never used.
        assert_eq!(run(true, 3, false).unwrap_err().kind(), ErrorKind::Interrupted);
        run(true, 0, true).unwrap();
        world.assert_equal(&format!("{index}-false"), &format!("{index}-true"));
        assert!(!fs::read(world.path(&format!("{index}-true/metrics.jsonl"))).unwrap().is_empty());
    }
}
