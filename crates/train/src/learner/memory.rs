//! What can go wrong in a step or a batch, above all a device that is out of memory.
//!
//! Burn computes on a GPU asynchronously. An operation that runs out of memory is skipped along with everything that depends on
//! it, and whoever reads the result gets the error; the device stays usable. The loss of a step and the norm of its gradients
//! are read before any update, so they tell whether the whole step succeeded.

use std::fmt::Display;

use firebrand_pipeline::Error;

/// Why a step, or a batch, came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It does not fit into the device's memory.
    Memory,
    /// The loss or a gradient is not a finite number: training broke down.
    NotFinite(String),
    /// Anything else, a failing device among it.
    Other(Error),
}

impl Failure {
    /// From the error of reading a tensor.
    pub(crate) fn of(error: impl Display) -> Self {
        let text = error.to_string();
        // The messages of cubecl 0.11 for a full device, a full device at a launch, and a buffer above the maximum size.
        let words = ["out of device memory", "out-of-memory", "can't allocate buffer of size"];
        if words.iter().any(|words| text.contains(words)) {
            return Self::Memory;
        }
        Self::Other(Error::other(format!("the device failed: {text}")))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Memory => out_of_memory(),
            Failure::NotFinite(problem) => Self::other(problem),
            Failure::Other(error) => error,
        }
    }
}

/// The error of a batch of one row that does not fit.
fn out_of_memory() -> Error {
    Error::config("a batch of one row does not fit into the GPU's memory")
        .hint("lower `tokenize.max_length`, set `train.gradient_checkpointing = true` or `train.precision = \"bf16\"`")
        .hint("or use a smaller model, or check whether another program uses the memory (`nvidia-smi`)")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use firebrand_model::{Classifier, Tokens, device};
    use firebrand_pipeline::ErrorKind;

    use super::*;
    use crate::{AdamW, AdamWConfig, Learner, MicroBatch};

    /// A learner on a device with memory for this many rows.
    fn learner(rows: Option<usize>) -> Learner {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert");
        let classifier = Classifier::load(&fixture, &device("flex").unwrap().autodiff()).unwrap();
        let adamw = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, no_decay: Vec::new() };
        let mut learner = Learner::new(classifier, AdamW::new(adamw), 1.0, 1);
        learner.feed.fits = rows;
        learner
    }

    fn batches(ids: &[Vec<u32>]) -> Vec<MicroBatch<'_>> {
        ids.chunks(8)
            .map(|ids| MicroBatch {
                rows: ids.iter().map(|ids| Tokens { ids, type_ids: &[0; 20][..ids.len()] }).collect(),
                labels: ids.iter().map(|ids| &[[0], [1], [2]][ids[0] as usize % 3][..]).collect(),
                weights: ids.iter().map(|ids| 0.5 + (ids[1] % 4) as f32).collect(),
            })
            .collect()
    }

    #[test]
    fn batches_are_halved_until_they_fit_and_the_step_stays_the_same() {
        let ids: Vec<Vec<u32>> =
            (0..13).map(|row| (0..3 + row % 9).map(|place| 3 + (row * 31 + place * 17) % 100).collect()).collect();
        let (mut whole, mut halved) = (learner(None), learner(Some(3)));
        for step in 0..3 {
            let (expected, found);
            (whole, expected) = whole.step_over(step, &batches(&ids), 1e-3).unwrap();
            (halved, found) = halved.step_over(step, &batches(&ids), 1e-3).unwrap();
            assert!((expected.loss - found.loss).abs() < 2e-5, "{expected:?} {found:?}");
            assert!((expected.grad_norm - found.grad_norm).abs() < 2e-4 * expected.grad_norm, "{expected:?} {found:?}");
            // 8 rows, then 4, then 2.
            assert_eq!((whole.feed.halvings(), halved.feed.halvings()), (0, 2));
        }
    }

    #[test]
    fn a_device_without_memory_for_one_row_is_an_error_with_advice() {
        let ids = vec![vec![3, 4, 5]; 8];
        let error = learner(Some(0)).step_over(0, &batches(&ids), 1e-3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.render().contains("tokenize.max_length"), "{}", error.render());
    }

    #[test]
    fn out_of_memory_is_distinguished_from_other_failures() {
        for text in [
            "An error happened during execution\nCaused by:\n  out of device memory allocating 1024 bytes\n",
            "An out-of-memory error happened during launch\nCaused by:\n  x",
            "can't allocate buffer of size: 99999999999\n",
        ] {
            assert!(matches!(Failure::of(text), Failure::Memory), "{text}");
        }
        assert!(matches!(Failure::of("The device is poisoned"), Failure::Other(_)));
    }
}
