//! Parity with the reference's training on small random models of every family: AdamW, the schedule, clipping.
//!
//! The fixtures are those of `model`; see its `tests/golden/README.md`.

#[path = "../../../model/tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests of `model` use the rest")]
#[expect(clippy::print_stderr, reason = "prints which fixture failed")]
mod model_support;

use std::collections::BTreeMap;

use firebrand_model::{Classifier, named_parameters};
use firebrand_train::{AdamW, AdamWConfig, Learner, Schedule};
use model_support::{Fixture, flat, for_each_fixture, near};
use serde_json::Value;

/// Three steps of AdamW with decay on everything.
#[test]
fn adamw_equals_the_reference() {
    for_each_fixture(|fixture, device| {
        if fixture.positions_count_padding() {
            return;
        }
        let expected = &fixture.expected["adamw"];
        let config = &expected["config"];
        let rate = number(&config["lr"]);
        let optimizer = AdamW::new(adamw(config, Vec::new()));
        let mut learner = Learner::new(fixture.classifier(device), optimizer, 0.0, 0);
        let rows = fixture.rows();
        let steps = expected["steps"].as_u64().unwrap();
        for step in 0..steps {
            let at = step as usize;
            near(&flat(&expected["logits_before_each_step"][at]), &logits(&learner, fixture), 2e-4, "logits");
            let figures;
            (learner, figures) = learner.step(step, &rows.tokens(), &fixture.labels(), rate).unwrap();
            close(number(&expected["loss_before_each_step"][at]), figures.loss, 2e-4, "loss");
        }
        near(&flat(&expected["logits_after"]), &logits(&learner, fixture), 2e-4, "logits after");

        let norms: BTreeMap<String, f64> = serde_json::from_value(expected["param_norm_after"].clone()).unwrap();
        let found = parameter_norms(&learner.classifier);
        assert_eq!(norms.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
        for (name, expected_norm) in norms {
            let Norm { norm: found, elements, of_key_biases } = found[&name];
            // Adam turns a gradient that is zero but for rounding into whole steps in random directions: that of a key's
            // bias, which adds the same to all scores of a query, by itself or as a part of a tensor.
            let gradient = fixture.expected["grad_norm"].get(&name).and_then(Value::as_f64).unwrap_or(0.0);
            let noise = gradient < 1e-5 * number(&fixture.expected["grad_norm_total"]);
            let noisy = if noise { elements } else { of_key_biases };
            let room = rate * steps as f64 * (noisy as f64).sqrt() + 1e-4 * expected_norm;
            assert!((found - expected_norm).abs() <= room, "{name}: expected {expected_norm}, found {found}");
        }
    });
}

/// Ten steps as `transformers.Trainer` takes them: warm-up and decay, clipping, no decay on biases and norms.
#[test]
fn ten_steps_equal_the_reference() {
    for_each_fixture(|fixture, device| {
        if fixture.positions_count_padding() {
            return;
        }
        let expected = &fixture.expected["trainer_like"];
        let config = &expected["config"];
        let adamw = adamw(config, AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec());
        let classifier = fixture.classifier(device);
        let spared: Vec<String> = serde_json::from_value(expected["no_decay"].clone()).unwrap();
        for (path, _) in named_parameters(&classifier.network) {
            let name = classifier.hub_name(&path).unwrap();
            assert_eq!(adamw.decay(&path) == 0.0, spared.contains(&name), "decay of {name}");
        }

        let schedule = Schedule::linear(
            number(&config["lr"]),
            config["warmup_steps"].as_u64().unwrap(),
            config["total_steps"].as_u64().unwrap(),
        );
        let mut learner = Learner::new(classifier, AdamW::new(adamw), number(&config["clip_norm"]), 0);
        let rows = fixture.rows();
        let steps = expected["steps"].as_array().unwrap();
        assert_eq!(steps.len() as u64, schedule.total_steps);
        for (step, expected) in steps.iter().enumerate() {
            let rate = schedule.rate(step as u64);
            close(number(&expected["lr"]), rate, 1e-9, "learning rate");
            let figures;
            (learner, figures) = learner.step(step as u64, &rows.tokens(), &fixture.labels(), rate).unwrap();
            let what = |name: &str| format!("step {step}: {name}");
            close(number(&expected["loss"]), figures.loss, 1e-3, &what("loss"));
            close(number(&expected["grad_norm_before_clip"]), figures.grad_norm, 1e-3, &what("norm of the gradients"));
        }
        near(&flat(&expected["logits_after"]), &logits(&learner, fixture), 2e-3, "logits after");
    });
}

fn adamw(config: &Value, no_decay: Vec<String>) -> AdamWConfig {
    AdamWConfig {
        beta1: number(&config["betas"][0]),
        beta2: number(&config["betas"][1]),
        epsilon: number(&config["eps"]),
        weight_decay: number(&config["weight_decay"]),
        no_decay,
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn logits(learner: &Learner, fixture: &Fixture) -> Vec<f32> {
    let rows = fixture.rows();
    let rows = rows.tokens();
    learner.classifier.logits(&rows, rows.len(), &mut |_| ()).unwrap().concat()
}

/// What is compared with the reference for each tensor.
#[derive(Debug, Default, Clone, Copy)]
struct Norm {
    norm: f64,
    elements: usize,
    of_key_biases: usize,
}

/// The norm of every tensor, by the name that the hub's files give it.
fn parameter_norms(classifier: &Classifier) -> BTreeMap<String, Norm> {
    let mut norms: BTreeMap<String, Norm> = BTreeMap::new();
    for (path, data) in named_parameters(&classifier.network) {
        let values = data.try_to_vec::<f32>().unwrap();
        // The file may hold several parameters as one tensor.
        let sum = norms.entry(classifier.hub_name(&path).unwrap()).or_default();
        sum.norm = sum.norm.hypot(values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt());
        sum.elements += values.len();
        sum.of_key_biases += if path.ends_with("attention.key.bias") { values.len() } else { 0 };
    }
    norms
}

/// Equal within a share of the expected value.
#[track_caller]
fn close(expected: f64, found: f64, share: f64, what: &str) {
    assert!((found - expected).abs() <= share * expected.abs(), "{what}: expected {expected}, found {found}");
}
