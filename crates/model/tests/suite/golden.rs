//! Parity with the reference implementation on small random models of every family: logits, loss, hidden states, gradients.
//!
//! The fixtures come from torch and transformers; `tests/golden/README.md` says how.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use firebrand_arch::ProblemType;
use firebrand_model::{Batch, Classifier, Tokens, binary_cross_entropy, cross_entropy, is_path_segment};

use crate::support::{Fixture, flat, for_each_fixture, near, widen};

/// Every fixture, on every CPU device.
#[test]
fn every_family_equals_the_reference() {
    for_each_fixture(|fixture, device| Case { fixture, device }.check());
}

struct Case<'a> {
    fixture: &'a Fixture,
    device: &'a Device,
}

impl Case<'_> {
    fn check(&self) {
        let expected = &self.fixture.expected;
        let tolerance = self.fixture.tolerance();
        let classifier = self.fixture.classifier(self.device);
        let rows = self.fixture.rows();
        let rows = rows.tokens();

        let batched = classifier.logits(&rows, rows.len(), &mut |_| ()).unwrap();
        if !self.fixture.positions_count_padding() {
            near(&flat(&expected["logits"]), &batched.concat(), tolerance, "logits");
        }
        let alone = classifier.logits(&rows, 1, &mut |_| ()).unwrap();
        near(&flat(&expected["logits_each_row_alone_unpadded"]), &alone.concat(), tolerance, "rows alone");
        // 1e-5 where the reference's own rounding is not larger.
        near(&widen(&alone.concat()), &batched.concat(), tolerance / 2.0, "rows alone against the batch");

        if self.fixture.positions_count_padding() {
            return;
        }
        self.check_hidden_states(&classifier, &rows, tolerance);
        self.check_gradients(&classifier, &rows, tolerance);
    }

    fn check_hidden_states(&self, classifier: &Classifier, rows: &[Tokens<'_>], tolerance: f64) {
        let network = classifier.network.valid();
        let batch = Batch::new(rows, classifier.pad_token_id(), self.device).unwrap();
        let states = network.encoder.hidden_states(&batch);
        let expected = self.fixture.expected["hidden_states"].as_array().unwrap();
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
                let figure = |name: &str| [expected[name][row].as_f64().unwrap()];
                near(&figure("row_means"), &[mean as f32], tolerance, &what);
                near(&figure("row_sq_means"), &[square as f32], tolerance * square.max(1.0), &what);
                // Not normalised between the layers of some families, and then as much larger as their rounding.
                let near = |expected: &[f64], found: &[f32]| {
                    let size = expected.iter().fold(1.0f64, |size, value| size.max(value.abs()));
                    near(expected, found, tolerance * size, &what);
                };
                near(&flat(&expected["first_real_token_first8"][row]), &real[..8]);
                near(&flat(&expected["last_real_token_first8"][row]), &real[real.len() - hidden..][..8]);
            }
        }
    }

    fn check_gradients(&self, classifier: &Classifier, rows: &[Tokens<'_>], tolerance: f64) {
        let device = self.device.clone().autodiff();
        let batch = Batch::new(rows, classifier.pad_token_id(), &device).unwrap();
        let logits = classifier.network.forward(&batch, None);
        let loss = loss(logits, &self.fixture.labels(), classifier.config().problem);
        let value = loss.clone().into_data().try_to_vec::<f32>().unwrap();
        near(&[self.fixture.expected["loss"].as_f64().unwrap()], &value, tolerance, "loss");

        let norms = gradient_norms(classifier, loss.backward());
        let expected: BTreeMap<String, Option<f64>> =
            serde_json::from_value(self.fixture.expected["grad_norm"].clone()).unwrap();
        // A parameter that nothing reads has none (XLNet's vector for masked tokens).
        let expected: BTreeMap<String, f64> =
            expected.into_iter().filter_map(|(name, norm)| Some((name, norm?))).collect();
        assert_eq!(norms.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        let total = self.fixture.expected["grad_norm_total"].as_f64().unwrap();
        for (name, &expected) in &expected {
            // A norm that is zero but for rounding (a key's bias) can only be held against the whole.
            let room = (1e-4 * expected).max(1e-6 * total);
            near(&[expected], &[norms[name] as f32], room, name);
        }
    }
}

fn loss(logits: Tensor<2>, labels: &[Vec<u32>], problem: ProblemType) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    let device = logits.device();
    match problem {
        ProblemType::SingleLabelClassification => {
            let labels: Vec<i64> = labels.iter().map(|labels| i64::from(labels[0])).collect();
            cross_entropy(logits, Tensor::<1, Int>::from_data(TensorData::new(labels, [rows]), &device))
        }
        ProblemType::MultiLabelClassification => {
            let flags: Vec<f32> = labels
                .iter()
                .flat_map(|labels| (0..classes as u32).map(|label| if labels.contains(&label) { 1.0 } else { 0.0 }))
                .collect();
            binary_cross_entropy(logits, Tensor::from_data(TensorData::new(flags, [rows, classes]), &device))
        }
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
        fn enter_module(&mut self, name: &str, container: &str) {
            if is_path_segment(container) {
                self.path.push(name.to_owned());
            }
        }
        fn exit_module(&mut self, _name: &str, container: &str) {
            if is_path_segment(container) {
                self.path.pop();
            }
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = param.val().grad_remove(&mut self.gradients) else { return };
            let values = gradient.into_data().try_to_vec::<f32>().unwrap();
            let square = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
            // The file may hold several parameters as one tensor.
            *self.found.entry(self.classifier.hub_name(&self.path.join(".")).unwrap()).or_default() += square;
        }
    }
    let mut norms = Norms { classifier, gradients, path: Vec::new(), found: BTreeMap::new() };
    classifier.network.visit(&mut norms);
    norms.found.into_iter().map(|(name, square)| (name, square.sqrt())).collect()
}
