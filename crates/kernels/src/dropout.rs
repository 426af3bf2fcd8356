//! Dropout whose masks are a function of seed, step and position: nothing is stored for the backward pass or for a resumed
//! run, and the mask is the same for any number of threads and on any machine.

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::philox::{philox4x32, philox4x32_lanes};
use crate::simd::{TASK, multiply, select};

/// Elements of a group: 16 counters of 8 random numbers each.
const GROUP: usize = 128;

/// A dropout mask, identified by seed, step and number.
///
/// The generator is Philox4x32-10 with the seed as key and the counter `[block, number, step low, step high]`. 16 random
/// bits decide on an element, so a probability is rounded to a multiple of 1/65536 (and the kept elements are scaled by
/// what that leaves, so that the mean stays exact). The mask is laid out in groups of 128 elements, made from the blocks
/// `16 * group + 0..16`: element `e` of a group takes from block `e % 16` the half `e / 16` (word `e / 32`, its low half
/// first). So vectors of 16, 8, 4 or 1 elements come out of the generator in the order in which they are needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mask {
    /// The run's seed.
    pub seed: u64,
    /// The training step.
    pub step: u64,
    /// The number of the mask within the step.
    pub number: u32,
    /// The probability that an element becomes zero: at least 0, below 1.
    pub probability: f64,
}

impl Mask {
    /// The mask of `length` elements: each 0 or [`Mask::kept`].
    pub fn values(self, length: usize) -> Vec<f32> {
        let mut values = vec![1.0; length];
        apply(Arch::new(), &mut values, self);
        values
    }

    /// The factor of kept elements: `1 / (1 - probability)`, with the rounded probability.
    pub fn kept(self) -> f32 {
        (65_536.0 / (65_536.0 - f64::from(self.threshold()))) as f32
    }

    /// One element of the mask, computed alone: the definition that the vectorised code is tested against.
    pub fn value(self, index: usize) -> f32 {
        let (group, place) = (index / GROUP, index % GROUP);
        let [_, number, low, high] = self.counter();
        let numbers = philox4x32([(16 * group + place % 16) as u32, number, low, high], self.key());
        let half = numbers[place / 32] >> (16 * (place / 16 % 2)) & 0xffff;
        if half < self.threshold() { 0.0 } else { self.kept() }
    }

    /// An element is dropped when its 16 random bits, as a number, are below this.
    fn threshold(self) -> u32 {
        (self.probability * 65_536.0).round().clamp(0.0, 65_535.0) as u32
    }

    fn key(self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    fn counter(self) -> [u32; 4] {
        [0, self.number, self.step as u32, (self.step >> 32) as u32]
    }
}

/// Multiplies by the mask, in place: dropout's forward and its backward.
pub fn apply(arch: Arch, x: &mut [f32], mask: Mask) {
    x.par_chunks_mut(TASK).enumerate().for_each(|(task, x)| apply_task(arch, x, mask, task * TASK));
}

kernel! {
    /// Multiplies by the elements of a mask from `start` on.
    pub(crate) fn apply_task<'a>(x: &'a mut [f32], mask: Mask, start: usize) -> () = apply_with
}

#[inline(always)]
pub(crate) fn apply_with<S: Simd>(simd: S, x: &mut [f32], mask: Mask, start: usize) {
    let mut buffer = [0.0; 8 * GROUP];
    for (piece, x) in x.chunks_mut(buffer.len()).enumerate() {
        let values = &mut buffer[..x.len()];
        fill(simd, mask, start + piece * 8 * GROUP, values);
        multiply(simd, values, x);
    }
}

/// Writes the elements of a mask from `start` on.
#[inline(always)]
pub(crate) fn fill<S: Simd>(simd: S, mask: Mask, start: usize, mut values: &mut [f32]) {
    let mut group = start / GROUP;
    let mut skip = start % GROUP;
    while !values.is_empty() {
        let count = (GROUP - skip).min(values.len());
        let (now, later) = values.split_at_mut(count);
        match <&mut [f32; GROUP]>::try_from(&mut *now) {
            Ok(now) => fill_group(simd, mask, group, now),
            Err(_) => {
                let mut whole = [0.0; GROUP];
                fill_group(simd, mask, group, &mut whole);
                now.copy_from_slice(&whole[skip..skip + count]);
            }
        }
        (values, group, skip) = (later, group + 1, 0);
    }
}

#[inline(always)]
fn fill_group<S: Simd>(simd: S, mask: Mask, group: usize, values: &mut [f32; GROUP]) {
    const { assert!(16 % S::F32_LANES == 0) };
    const BLOCKS: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let [_, number, low, high] = mask.counter().map(|word| simd.splat_u32s(word));
    let (threshold, kept) = (mask.threshold(), simd.splat_f32s(mask.kept()));
    let zero = simd.splat_f32s(0.0);
    let values = S::as_mut_simd_f32s(values).0;
    let parts = 16 / S::F32_LANES;
    for (part, &blocks) in S::as_simd_u32s(&BLOCKS).0.iter().enumerate() {
        let block = simd.add_u32s(blocks, simd.splat_u32s((16 * group) as u32));
        let numbers = philox4x32_lanes(simd, [block, number, low, high], mask.key());
        for (word, &number) in numbers.iter().enumerate() {
            let half = simd.and_u32s(number, simd.splat_u32s(0xffff));
            let dropped = simd.less_than_u32s(half, simd.splat_u32s(threshold));
            values[2 * word * parts + part] = select(simd, dropped, zero, kept);
            // The upper half is below the threshold when the whole word is below the threshold moved up.
            let dropped = simd.less_than_u32s(number, simd.splat_u32s(threshold << 16));
            values[(2 * word + 1) * parts + part] = select(simd, dropped, zero, kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::arches;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_part_of_a_mask_is_as_defined(
            seed: u64, step: u64, number: u32, start in 0usize..1000, length in 0usize..700, probability in 0.0..0.99
        ) {
            let mask = Mask { seed, step, number, probability };
            let expected: Vec<f32> = (start..start + length).map(|index| mask.value(index)).collect();
            for arch in arches() {
                let mut values = vec![1.0; length];
                apply_task(arch, &mut values, mask, start);
                prop_assert_eq!(&values, &expected);
            }
        }
    }

    #[test]
    fn a_mask_keeps_the_mean_and_drops_the_asked_share() {
        let values = Mask { seed: 7, step: 3, number: 2, probability: 0.1 }.values(400_000);
        let dropped = values.iter().filter(|&&value| value == 0.0).count() as f64 / 4e5;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 4e5;
        let square = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / 4e5;
        // Five standard errors.
        assert!((dropped - 0.1).abs() < 5.0 * (0.09f64 / 4e5).sqrt(), "{dropped}");
        assert!((mean - 1.0).abs() < 0.003, "{mean}");
        assert!((square - mean * mean - 0.1 / 0.9).abs() < 0.003, "{square}");
    }

    #[test]
    fn masks_differ_by_seed_step_and_number() {
        let mask = Mask { seed: 1, step: 1, number: 1, probability: 0.5 };
        let values = mask.values(256);
        assert_eq!(values, mask.values(256));
        for other in [Mask { seed: 2, ..mask }, Mask { step: 1 << 40, ..mask }, Mask { number: 2, ..mask }] {
            assert_ne!(values, other.values(256));
        }
        assert_eq!(Mask { probability: 0.0, ..mask }.values(9), [1.0; 9]);
    }
}
