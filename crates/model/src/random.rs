//! Random numbers as a function of a counter, with no state to save.

use firebrand_kernels::philox::philox4x32;

/// `length` numbers from a normal distribution with mean 0: the `stream`-th sequence of a seed (Box and Muller, 1958).
pub(crate) fn normal(seed: u64, stream: u32, length: usize, deviation: f64) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
    let mut values = Vec::with_capacity(length + 3);
    for block in 0..length.div_ceil(4) {
        // The last word sets these sequences apart from dropout's, whose steps never get that high.
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

    #[test]
    fn normal_numbers_have_the_given_moments() {
        let values = normal(3, 1, 100_001, 0.02);
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 100_001.0;
        let square = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / 100_001.0;
        assert!(mean.abs() < 5.0 * 0.02 / 316.0, "{mean}");
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.012, "{square}");
        assert_ne!(values[..8], normal(3, 2, 8, 0.02));
    }
}
