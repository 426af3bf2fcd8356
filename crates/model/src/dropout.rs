//! Dropout whose masks are a function of seed, step and place, so that a resumed run draws the same ones.

use burn::tensor::{Tensor, TensorData};

use crate::random::philox4x32;

/// Sets each element to zero with a probability and scales the others up to keep the mean
/// ([JMLR 15:1929](https://jmlr.org/papers/v15/srivastava14a.html)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability of zero: at least 0, below 1.
    pub probability: f64,
}

impl Dropout {
    /// Dropout when `rng` is given (training), the identity otherwise.
    ///
    /// # Shapes
    /// - `x` and output: any, the same
    pub fn forward<const D: usize>(self, x: Tensor<D>, rng: &mut Option<&mut DropoutRng>) -> Tensor<D> {
        let Some(rng) = rng else { return x };
        if self.probability == 0.0 {
            return x;
        }
        let shape = x.dims();
        let mask = rng.mask(shape.iter().product(), self.probability);
        let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
        x * mask
    }
}

/// The source of dropout masks.
///
/// The generator's key is the seed; its counter is the element's place, the number of the mask within the step, and the
/// step. Nothing has to be saved for a resumed run but the step.
#[derive(Debug, Clone)]
pub struct DropoutRng {
    seed: u64,
    step: u64,
    mask: u32,
}

impl DropoutRng {
    /// A source for a run's seed, at step 0.
    pub fn new(seed: u64) -> Self {
        Self { seed, step: 0, mask: 0 }
    }

    /// Begins a training step: the masks that follow depend on nothing but seed and step.
    pub fn begin_step(&mut self, step: u64) {
        self.step = step;
        self.mask = 0;
    }

    /// The next mask of this step: `length` numbers, each 0 or `1 / (1 - probability)`.
    fn mask(&mut self, length: usize, probability: f64) -> Vec<f32> {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let (place, step) = (self.mask, [self.step as u32, (self.step >> 32) as u32]);
        self.mask += 1;
        // An element is dropped when its 32 random bits, as a number, are below this.
        let threshold = (probability * f64::from(u32::MAX)) as u32;
        let kept = (1.0 / (1.0 - probability)) as f32;
        let mut mask = vec![0.0; length];
        for (block, values) in mask.chunks_mut(4).enumerate() {
            let bits = philox4x32([block as u32, place, step[0], step[1]], key);
            for (value, bits) in values.iter_mut().zip(bits) {
                *value = if bits < threshold { 0.0 } else { kept };
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_mean_and_drops_the_asked_share() {
        let mask = DropoutRng::new(7).mask(400_000, 0.1);
        let dropped = mask.iter().filter(|&&value| value == 0.0).count() as f64 / 4e5;
        let mean = mask.iter().map(|&value| f64::from(value)).sum::<f64>() / 4e5;
        // Five standard errors.
        assert!((dropped - 0.1).abs() < 5.0 * (0.09f64 / 4e5).sqrt(), "{dropped}");
        assert!((mean - 1.0).abs() < 0.003, "{mean}");
    }

    #[test]
    fn masks_depend_on_step_and_place_and_on_nothing_else() {
        let mut rng = DropoutRng::new(7);
        rng.begin_step(3);
        let first = rng.mask(64, 0.5);
        let second = rng.mask(64, 0.5);
        rng.begin_step(4);
        let other_step = rng.mask(64, 0.5);
        rng.begin_step(3);
        assert_eq!(rng.mask(64, 0.5), first);
        assert_ne!(first, second);
        assert_ne!(first, other_step);
    }
}
