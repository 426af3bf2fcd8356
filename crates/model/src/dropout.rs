//! Dropout whose masks are a function of seed, step and position in the network, so that a resumed run draws the same ones.

use burn::tensor::Tensor;
use firebrand_fused as fused;
use firebrand_kernels::Mask;

/// Sets each element to zero with a probability and scales the others up to keep the mean
/// ([JMLR 15:1929](https://jmlr.org/papers/v15/srivastava14a.html)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability that an element is zeroed: at least 0, below 1.
    pub probability: f64,
}

impl Dropout {
    /// Dropout if `rng` is given (in training), otherwise the identity.
    ///
    /// # Shapes
    /// - `x` and output: any, the same
    pub fn forward<const D: usize>(self, x: Tensor<D>, rng: &mut Option<&mut DropoutRng>) -> Tensor<D> {
        match self.mask(rng) {
            Some(mask) => fused::dropout(x, mask),
            None => x,
        }
    }

    /// The next mask, for an operation that applies it itself; `None` if nothing is dropped.
    pub(crate) fn mask(self, rng: &mut Option<&mut DropoutRng>) -> Option<Mask> {
        let rng = rng.as_mut()?;
        (self.probability > 0.0).then(|| rng.mask(self.probability))
    }
}

/// The source of dropout masks.
///
/// A mask is identified by the seed, the step, and its number within the step: a resumed run needs nothing but the step.
#[derive(Debug, Clone)]
pub struct DropoutRng {
    seed: u64,
    step: u64,
    number: u32,
}

impl DropoutRng {
    /// A source with a run's seed, at step 0.
    pub fn new(seed: u64) -> Self {
        Self { seed, step: 0, number: 0 }
    }

    /// Begins a training step: the masks that follow depend on seed and step only.
    pub fn begin_step(&mut self, step: u64) {
        self.step = step;
        self.number = 0;
    }

    /// Begins one of a step's micro-batches: the masks that follow depend on seed, step and this number only, and differ from
    /// those of other micro-batches. So these can be computed in any order, and on several devices.
    pub fn begin_batch(&mut self, batch: u32) {
        // No network draws so many masks.
        self.number = batch.wrapping_mul(1 << 16);
    }

    /// The next mask of this step.
    fn mask(&mut self, probability: f64) -> Mask {
        let number = self.number;
        self.number += 1;
        Mask { seed: self.seed, step: self.step, number, probability }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_depend_on_step_and_number_only() {
        let mut rng = DropoutRng::new(7);
        let mut values = |step| {
            rng.begin_step(step);
            [rng.mask(0.5).values(64), rng.mask(0.5).values(64)]
        };
        let [first, second] = values(3);
        let [other_step, _] = values(4);
        assert_eq!(values(3), [first.clone(), second.clone()]);
        assert_ne!(first, second);
        assert_ne!(first, other_step);
    }

    #[test]
    fn batches_of_a_step_have_masks_of_their_own_in_any_order() {
        let mut rng = DropoutRng::new(7);
        rng.begin_step(3);
        let plain = rng.mask(0.5).values(64);
        let mut of = |batch| {
            rng.begin_batch(batch);
            rng.mask(0.5).values(64)
        };
        let (second, first) = (of(1), of(0));
        assert_ne!(first, second);
        assert_eq!((of(0), of(1)), (first.clone(), second));
        // A step of one batch needs no number.
        assert_eq!(first, plain);
    }

    #[test]
    fn nothing_is_dropped_outside_training() {
        let dropout = Dropout { probability: 0.5 };
        assert!(dropout.mask(&mut None).is_none());
        assert!(Dropout { probability: 0.0 }.mask(&mut Some(&mut DropoutRng::new(1))).is_none());
        assert!(dropout.mask(&mut Some(&mut DropoutRng::new(1))).is_some());
    }
}
