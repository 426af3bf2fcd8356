//! Top layers that begin anew.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::parameters::depth::depth;
use crate::parameters::{self, Change};

/// Gives the `count` highest layers, and a dense map of the head that comes with the pretrained model where `pooler` says so,
/// the weights of a model that was never trained ([arXiv 2006.05987](https://arxiv.org/abs/2006.05987): what the top learned
/// was for pretraining's task). Weights are drawn from a normal distribution, norms are 1, biases 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reinit {
    /// Layers, from the top.
    pub count: usize,
    /// Layers that have parameters.
    pub layers: usize,
    /// Whether the head's dense map begins anew too.
    pub pooler: bool,
    /// The deviation of the weights.
    pub deviation: f64,
    /// Decides the weights.
    pub seed: u64,
}

impl Reinit {
    /// The module with its top anew.
    #[must_use]
    pub fn apply<M: Module>(&self, module: M) -> M {
        parameters::map(module, &mut Apply { reinit: *self, made: 0 })
    }

    fn has(&self, path: &str) -> bool {
        let layer = path.starts_with("encoder.layers.") && depth(path, self.layers) + self.count > self.layers;
        layer || (self.pooler && path.starts_with("head.dense."))
    }
}

struct Apply {
    reinit: Reinit,
    /// Weights drawn so far: each has its own random sequence.
    made: u64,
}

impl Change for Apply {
    fn change<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.reinit.has(path) {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let length = shape.iter().product();
        let values = if path.ends_with("norm.weight") {
            vec![1.0; length]
        } else if path.ends_with(".bias") {
            vec![0.0; length]
        } else {
            self.made += 1;
            normal(self.reinit.seed, self.made, length, self.reinit.deviation)
        };
        let anew = Tensor::from_data(TensorData::new(values, shape), &tensor.device()).require_grad();
        Param::from_mapped_value(id, anew, mapper)
    }
}

/// Numbers from a normal distribution with mean 0 (Box and Muller, 1958): the `stream`-th sequence of a seed.
pub(crate) fn normal(seed: u64, stream: u64, length: usize, deviation: f64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Far from the streams of the epochs.
    rng.set_stream(u64::MAX - stream);
    let mut values = Vec::with_capacity(length + 1);
    while values.len() < length {
        // Above zero, whose logarithm has no end.
        let radius = deviation * (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
    }
    values.truncate(length);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_asked_moments_and_their_own_sequence() {
        let values = normal(3, 1, 100_001, 0.02);
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / 100_001.0;
        let square = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / 100_001.0;
        assert!(mean.abs() < 5.0 * 0.02 / 316.0, "{mean}");
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.012, "{square}");
        assert_ne!(values[..8], normal(3, 2, 8, 0.02));
    }

    #[test]
    fn only_the_top_begins_anew() {
        let reinit = Reinit { count: 2, layers: 4, pooler: false, deviation: 0.02, seed: 1 };
        let paths = ["encoder.embeddings.token", "encoder.layers.1.mlp.up.weight", "encoder.layers.2.mlp.up.weight"];
        assert_eq!(paths.map(|path| reinit.has(path)), [false, false, true]);
        assert!(!reinit.has("head.dense.weight") && !reinit.has("head.output.weight"));
        let with = Reinit { pooler: true, ..reinit };
        assert!(with.has("head.dense.weight") && !with.has("head.output.weight"));
    }
}
