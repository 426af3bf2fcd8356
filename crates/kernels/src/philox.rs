//! Random numbers as a function of a counter: there is no state to save.
//!
//! Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

use pulp::Simd;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Four 32-bit random numbers for a counter and a key.
#[inline]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let first = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

/// The same for as many counters at once as a vector has elements.
#[inline(always)]
pub(crate) fn philox4x32_lanes<S: Simd>(simd: S, mut counter: [S::u32s; 4], mut key: [u32; 2]) -> [S::u32s; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let first = simd.widening_mul_u32s(simd.splat_u32s(MULTIPLIERS[0]), counter[0]);
        let second = simd.widening_mul_u32s(simd.splat_u32s(MULTIPLIERS[1]), counter[2]);
        counter = [
            simd.xor_u32s(simd.xor_u32s(second.1, counter[1]), simd.splat_u32s(key[0])),
            second.0,
            simd.xor_u32s(simd.xor_u32s(first.1, counter[3]), simd.splat_u32s(key[1])),
            first.0,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::arches;

    /// The known answers published with the generator (Random123, `kat_vectors`).
    #[test]
    fn philox_gives_the_published_numbers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[inline(always)]
    fn first_lane<S: Simd>(simd: S, counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
        let numbers = philox4x32_lanes(simd, counter.map(|word| simd.splat_u32s(word)), key);
        numbers.map(|vector| {
            let mut lanes = [0; 16];
            simd.partial_store_u32s(&mut lanes[..S::U32_LANES], vector);
            assert!(lanes[..S::U32_LANES].iter().all(|&lane| lane == lanes[0]));
            lanes[0]
        })
    }

    kernel! { fn run<'a>(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] = first_lane }

    #[test]
    fn vectors_give_the_same_numbers() {
        for (counter, key) in [([0; 4], [0; 2]), ([u32::MAX; 4], [u32::MAX; 2]), ([1, 2, 3, 4], [5, 6])] {
            for arch in arches() {
                assert_eq!(run(arch, counter, key), philox4x32(counter, key));
            }
        }
    }
}
