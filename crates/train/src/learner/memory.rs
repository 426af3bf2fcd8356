//! A device whose memory does not hold a batch.
//!
//! Burn computes on a GPU while the program goes on. An operation that finds no memory is left out, with all that rest on it,
//! and whoever reads the result gets the error; the device stays usable. So a step's loss and the norm of its gradients,
//! which are read before anything is changed, tell whether it was taken whole.

use std::fmt::Display;

use firebrand_pipeline::Error;

/// Why a step's passes came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The device's memory did not hold them.
    Memory,
    /// Anything else.
    Other(Error),
}

impl Failure {
    /// Of what Burn says when a tensor cannot be read.
    pub(crate) fn of(error: impl Display) -> Self {
        let text = error.to_string();
        // As cubecl 0.11 words it: a full device, one that is full at a launch, a buffer larger than any it can have.
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

/// The error of a step whose rows do not fit one by one.
pub(crate) fn too_small() -> Error {
    Error::config("the memory of the GPU does not hold a batch of one row")
        .hint("lower `tokenize.max_length`, set `train.gradient_checkpointing = true` or `train.precision = \"bf16\"`")
        .hint("or take a smaller model, or see whether another program has the memory (`nvidia-smi`)")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use firebrand_model::{Classifier, Tokens, device};
    use firebrand_pipeline::ErrorKind;

    use super::*;
    use crate::{AdamW, AdamWConfig, Learner, MicroBatch};

    /// A learner on a device that holds so many rows of a batch.
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
    fn a_device_that_holds_no_row_is_an_error_that_says_what_to_do() {
        let ids = vec![vec![3, 4, 5]; 8];
        let error = learner(Some(0)).step_over(0, &batches(&ids), 1e-3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.render().contains("tokenize.max_length"), "{}", error.render());
    }

    #[test]
    fn a_full_device_is_told_from_other_failures() {
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
