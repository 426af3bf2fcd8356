//! The values that parameters have before any training, as a function of a seed, with no state to save.

use firebrand_kernels::philox::philox4x32;

/// Initialises parameters by their path: norms at one, biases at zero, everything else drawn from a normal distribution with
/// mean 0.
#[derive(Debug, Clone)]
pub struct Initializer {
    seed: u64,
    stream: u32,
    deviation: f64,
    /// Parameters drawn so far: each has its own random sequence.
    drawn: u32,
}

impl Initializer {
    /// The stream of a new head, and of a model that was never trained.
    pub const MODEL: u32 = 0;
    /// The stream of layers that are trained from scratch.
    pub const LAYERS: u32 = 1;
    /// The stream of low-rank adapters.
    pub const ADAPTERS: u32 = 2;

    /// Draws with this standard deviation. Streams of one seed share no numbers.
    pub fn new(seed: u64, stream: u32, deviation: f64) -> Self {
        Self { seed, stream, deviation, drawn: 0 }
    }

    /// The first `length` values of the parameter at `path`.
    pub fn values(&mut self, path: &str, length: usize) -> Vec<f32> {
        if path.ends_with("norm.weight") {
            vec![1.0; length]
        } else if path.ends_with(".bias") {
            vec![0.0; length]
        } else {
            self.drawn += 1;
            normal(self.seed, [self.drawn, self.stream], length, self.deviation)
        }
    }
}

/// `length` numbers from a normal distribution with mean 0 (Box and Muller, 1958): one of the sequences of a seed.
fn normal(seed: u64, sequence: [u32; 2], length: usize, deviation: f64) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
    let mut values = Vec::with_capacity(length + 3);
    for block in 0..length.div_ceil(4) {
        // The last word sets these sequences apart from dropout's, whose steps never get that high.
        let bits = philox4x32([block as u32, sequence[0], sequence[1], u32::MAX], key);
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
        let values = normal(3, [1, 0], 100_001, 0.02);
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 100_001.0;
        let square = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / 100_001.0;
        assert!(mean.abs() < 5.0 * 0.02 / 316.0, "{mean}");
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.012, "{square}");
        for other in [[2, 0], [1, 1]] {
            assert_ne!(values[..8], normal(3, other, 8, 0.02));
        }
    }

    #[test]
    fn parameters_are_initialised_by_their_path() {
        let mut initializer = Initializer::new(3, Initializer::LAYERS, 0.02);
        assert_eq!(initializer.values("layers.0.norm.weight", 3), [1.0; 3]);
        assert_eq!(initializer.values("layers.0.mlp.up.bias", 3), [0.0; 3]);
        let first = initializer.values("layers.0.mlp.up.weight", 8);
        assert_eq!(first, normal(3, [1, Initializer::LAYERS], 8, 0.02));
        assert_ne!(first, initializer.values("layers.0.mlp.down.weight", 8));
    }
}
