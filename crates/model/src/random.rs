//! Random numbers as a function of a counter, with no state to save.
//!
//! Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

/// Four 32-bit random numbers for a counter and a key.
#[inline]
pub(crate) fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
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

/// `length` numbers from a normal distribution with mean 0: the `stream`-th sequence of a seed (Box and Muller, 1958).
pub(crate) fn normal(seed: u64, stream: u32, length: usize, deviation: f64) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
    let mut values = Vec::with_capacity(length + 3);
    for block in 0..length.div_ceil(4) {
        // The last word tells these sequences apart from dropout's, whose steps never get there.
        let bits = philox4x32([block as u32, stream, 0, u32::MAX], key);
        for pair in bits.chunks_exact(2) {
            let radius = deviation * (-2.0 * unit(pair[0]).ln()).sqrt();
            let (sine, cosine) = (std::f64::consts::TAU * unit(pair[1])).sin_cos();
            values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
        }
    }
    values.truncate(length);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn normal_numbers_have_the_asked_moments() {
        let values = normal(3, 1, 100_001, 0.02);
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 100_001.0;
        let square = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / 100_001.0;
        assert!(mean.abs() < 5.0 * 0.02 / 316.0, "{mean}");
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.012, "{square}");
        assert_ne!(values[..8], normal(3, 2, 8, 0.02));
    }
}
