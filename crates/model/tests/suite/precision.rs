//! Half precision by casts, as on GPUs, against single precision: every family's scores and gradients.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor};
use firebrand_arch::Activation;
use firebrand_kernels::{Half, Precision};
use firebrand_model::{Batch, Classifier, DropoutRng};

use crate::support::{Fixture, for_each_fixture};

struct Found {
    scores: Vec<f32>,
    /// Of every parameter, in their order.
    gradients: Vec<Vec<f32>>,
}

fn run(classifier: &Classifier, fixture: &Fixture, precision: Precision) -> Found {
    let (rows, device) = (fixture.rows(), classifier.device());
    let batch = Batch::new(&rows.tokens(), classifier.pad_token_id(), &device).unwrap();
    let mut dropout = DropoutRng::new(3);
    dropout.begin_step(0);
    let scores = precision.within(|| classifier.network.forward(&batch, Some(&mut dropout)));
    // As a loss has it: the scores do not weigh the same.
    let loss = (scores.clone() * scores.clone()).sum() + scores.clone().narrow(0, 0, 1).sum();
    struct Collect {
        gradients: Gradients,
        found: Vec<Vec<f32>>,
    }
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = param.val().grad_remove(&mut self.gradients) else { return };
            assert_eq!(gradient.dtype(), DType::F32, "parameters are single precision, and so are their gradients");
            self.found.push(gradient.into_data().try_to_vec().unwrap());
        }
    }
    assert_eq!(scores.dtype(), DType::F32);
    let mut collect = Collect { gradients: loss.backward(), found: Vec::new() };
    classifier.network.visit(&mut collect);
    Found { scores: scores.into_data().try_to_vec().unwrap(), gradients: collect.found }
}

/// The relative distance between two lists of numbers.
fn distance<'a>(expected: impl Iterator<Item = &'a f32>, found: impl Iterator<Item = &'a f32>) -> f64 {
    let (mut apart, mut size) = (0.0, 0.0);
    for (&expected, &found) in expected.zip(found) {
        apart += f64::from(expected - found).powi(2);
        size += f64::from(expected).powi(2);
    }
    (apart / size).sqrt()
}

#[test]
fn every_family_differs_by_its_rounding_only() {
    for_each_fixture(|fixture, device| {
        let half = device.clone().autodiff();
        // The other device has no tensors of half precision.
        if *device != firebrand_model::device("flex").unwrap() {
            return;
        }
        let classifier = Classifier::load(&fixture.directory, &half).unwrap();
        let plain = run(&classifier, fixture, Precision::F32);
        // DistilBERT's head has a kink: a number that rounding carries across zero takes its share of a row's gradient away.
        let kink = classifier
            .config()
            .network
            .head
            .dense
            .as_ref()
            .is_some_and(|dense| dense.activation == Some(Activation::Relu));
        for (kind, scores_room, gradients_room) in [(Half::F16, 4e-3, 2e-2), (Half::Bf16, 3e-2, 1e-1)] {
            let gradients_room = if kink { 0.5 } else { gradients_room };
            let cast = run(&classifier, fixture, Precision::Cast(kind));
            let of_scores = distance(plain.scores.iter(), cast.scores.iter());
            assert_eq!(plain.gradients.len(), cast.gradients.len());
            let of_gradients = distance(plain.gradients.iter().flatten(), cast.gradients.iter().flatten());
            eprintln!("{kind:?}: scores {of_scores:.1e}, gradients {of_gradients:.1e}");
            assert!(of_scores > 1e-6 && of_scores < scores_room, "{kind:?}: scores {of_scores:.1e}");
            assert!(of_gradients > 1e-6 && of_gradients < gradients_room, "{kind:?}: gradients {of_gradients:.1e}");
        }
    });
}
