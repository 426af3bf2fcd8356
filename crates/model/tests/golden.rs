//! Parity with the reference implementation on small random models of every family: logits, loss, hidden states, gradients.
//!
//! The fixtures come from torch and transformers; `tests/golden/README.md` says how.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use firebrand_model::{Batch, Classifier, Tokens, cross_entropy, device};
use serde_json::Value;

/// Every fixture, on every CPU device.
#[test]
fn every_family_equals_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
    let mut seen = 0;
    for entry in fs::read_dir(root).unwrap() {
        let directory = entry.unwrap().path();
        for name in ["flex", "ndarray"] {
            eprintln!("{} on {name}", directory.display());
            Case::new(directory.clone(), device(name).unwrap()).check();
            seen += 1;
        }
    }
    assert!(seen > 0, "no fixture was found");
}

struct Case {
    directory: PathBuf,
    expected: Value,
    device: Device,
}

impl Case {
    fn new(directory: PathBuf, device: Device) -> Self {
        let expected = serde_json::from_str(&fs::read_to_string(directory.join("expected.json")).unwrap()).unwrap();
        Self { directory, expected, device }
    }

    fn check(&self) {
        // The room that float32 needs, as measured by the reference against its own float64 copy.
        let tolerance = (2.0 * self.expected["max_abs_float32_minus_float64"].as_f64().unwrap()).max(2e-5);
        let classifier = Classifier::load(&self.directory, &self.device.clone().autodiff()).unwrap();
        let (ids, type_ids) = self.rows();
        let rows: Vec<_> = ids.iter().zip(&type_ids).map(|(ids, type_ids)| Tokens { ids, type_ids }).collect();

        let batched = classifier.logits(&rows, rows.len(), &mut |_| ()).unwrap();
        near(&flat(&self.expected["logits"]), &batched.concat(), tolerance, "logits");

        let alone = classifier.logits(&rows, 1, &mut |_| ()).unwrap();
        near(&flat(&self.expected["logits_each_row_alone_unpadded"]), &alone.concat(), tolerance, "rows alone");
        near(&widen(&alone.concat()), &batched.concat(), 1e-5, "rows alone against the batch");

        self.check_hidden_states(&classifier, &rows, tolerance);
        self.check_gradients(&classifier, &rows, tolerance);
    }

    fn check_hidden_states(&self, classifier: &Classifier, rows: &[Tokens<'_>], tolerance: f64) {
        let network = classifier.network.valid();
        let batch = Batch::new(rows, classifier.pad_token_id(), &self.device).unwrap();
        let states = network.encoder.hidden_states(&batch);
        let expected = self.expected["hidden_states"].as_array().unwrap();
        assert_eq!(states.len(), expected.len());
        for (layer, (state, expected)) in states.into_iter().zip(expected).enumerate() {
            let [_, length, hidden] = state.dims();
            let values = state.into_data().try_to_vec::<f32>().unwrap();
            for (row, tokens) in rows.iter().enumerate() {
                let what = format!("layer {layer}, row {row}");
                let real = &values[row * length * hidden..][..tokens.ids.len() * hidden];
                let count = real.len() as f64;
                let mean = real.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
                let square = real.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / count;
                near(&[expected["row_means"][row].as_f64().unwrap()], &[mean as f32], tolerance, &what);
                near(&[expected["row_sq_means"][row].as_f64().unwrap()], &[square as f32], tolerance, &what);
                near(&flat(&expected["first_real_token_first8"][row]), &real[..8], tolerance, &what);
                let last = &real[real.len() - hidden..][..8];
                near(&flat(&expected["last_real_token_first8"][row]), last, tolerance, &what);
            }
        }
    }

    fn check_gradients(&self, classifier: &Classifier, rows: &[Tokens<'_>], tolerance: f64) {
        let device = self.device.clone().autodiff();
        let batch = Batch::new(rows, classifier.pad_token_id(), &device).unwrap();
        let labels: Vec<i64> = serde_json::from_value(self.expected["labels"].clone()).unwrap();
        let count = labels.len();
        let targets = Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), &device);
        let loss = cross_entropy(classifier.network.forward(&batch, None), targets);
        let value = loss.clone().into_data().try_to_vec::<f32>().unwrap();
        near(&[self.expected["loss"].as_f64().unwrap()], &value, tolerance, "loss");

        let norms = gradient_norms(classifier, loss.backward());
        let expected: BTreeMap<String, f64> = serde_json::from_value(self.expected["grad_norm"].clone()).unwrap();
        assert_eq!(norms.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        let total = self.expected["grad_norm_total"].as_f64().unwrap();
        for (name, &expected) in &expected {
            // A norm that is zero but for rounding (a key's bias) can only be held against the whole.
            let room = (1e-4 * expected).max(1e-6 * total);
            near(&[expected], &[norms[name] as f32], room, name);
        }
    }

    /// Each row's ids and type ids without the padding.
    fn rows(&self) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
        let field = |name: &str| -> Option<Vec<Vec<u32>>> {
            self.expected["inputs"].get(name).map(|value| serde_json::from_value(value.clone()).unwrap())
        };
        let mask = field("attention_mask").unwrap();
        let real = |rows: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
            let keep = |(row, mask): (Vec<u32>, &Vec<u32>)| {
                row.into_iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| id).collect()
            };
            rows.into_iter().zip(&mask).map(keep).collect()
        };
        let ids = real(field("input_ids").unwrap());
        let type_ids = field("token_type_ids").map(real);
        let zeros = || ids.iter().map(|row| vec![0; row.len()]).collect();
        let type_ids = type_ids.unwrap_or_else(zeros);
        (ids, type_ids)
    }
}

/// The norm of every parameter's gradient, by the name that the hub's files give it.
fn gradient_norms(classifier: &Classifier, gradients: Gradients) -> BTreeMap<String, f64> {
    struct Norms<'a> {
        classifier: &'a Classifier,
        gradients: Gradients,
        path: Vec<String>,
        found: BTreeMap<String, f64>,
    }
    impl ModuleVisitor for Norms<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = param.val().grad_remove(&mut self.gradients) else { return };
            let values = gradient.into_data().try_to_vec::<f32>().unwrap();
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            self.found.insert(self.classifier.hub_name(&self.path.join(".")).unwrap(), norm);
        }
    }
    let mut norms = Norms { classifier, gradients, path: Vec::new(), found: BTreeMap::new() };
    classifier.network.visit(&mut norms);
    norms.found
}

/// All numbers of a nested list, in order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[track_caller]
fn near(expected: &[f64], found: &[f32], tolerance: f64, what: &str) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (place, (&expected, &found)) in expected.iter().zip(found).enumerate() {
        let distance = (expected - f64::from(found)).abs();
        assert!(distance <= tolerance, "{what}[{place}]: expected {expected}, found {found}, {distance:e} apart");
    }
}
