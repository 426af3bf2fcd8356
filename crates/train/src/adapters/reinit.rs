//! Re-initialised top layers.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use firebrand_model::Initializer;

use crate::parameters::depth::depth;
use crate::parameters::{self, MapParameters};

/// Re-initialises the `count` highest layers and, with `pooler`, the pretrained dense layer of the head: what they learned is
/// specific to pretraining ([arXiv 2006.05987](https://arxiv.org/abs/2006.05987)). Weights are drawn from a normal
/// distribution, norms are 1, biases 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reinit {
    /// Number of layers, counted from the top.
    pub count: usize,
    /// Number of layers with parameters of their own.
    pub layers: usize,
    /// Whether the head's dense layer is re-initialised too.
    pub pooler: bool,
    /// Standard deviation of the weights.
    pub deviation: f64,
    /// Seed of the weights.
    pub seed: u64,
}

impl Reinit {
    /// The module with its top re-initialised.
    #[must_use]
    pub fn apply<M: Module>(&self, module: M) -> M {
        let initializer = Initializer::new(self.seed, Initializer::LAYERS, self.deviation);
        parameters::map(module, &mut Apply { reinit: *self, initializer })
    }

    fn covers(&self, path: &str) -> bool {
        let layer = path.starts_with("encoder.layers.") && depth(path, self.layers) + self.count > self.layers;
        layer || (self.pooler && path.starts_with("head.dense."))
    }
}

struct Apply {
    reinit: Reinit,
    initializer: Initializer,
}

impl MapParameters for Apply {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.reinit.covers(path) {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let values = self.initializer.values(path, shape.iter().product());
        let fresh = Tensor::from_data(TensorData::new(values, shape), &tensor.device()).require_grad();
        Param::from_mapped_value(id, fresh, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_top_is_reinitialised() {
        let reinit = Reinit { count: 2, layers: 4, pooler: false, deviation: 0.02, seed: 1 };
        let paths = ["encoder.embeddings.token", "encoder.layers.1.mlp.up.weight", "encoder.layers.2.mlp.up.weight"];
        assert_eq!(paths.map(|path| reinit.covers(path)), [false, false, true]);
        assert!(!reinit.covers("head.dense.weight") && !reinit.covers("head.output.weight"));
        let with = Reinit { pooler: true, ..reinit };
        assert!(with.covers("head.dense.weight") && !with.covers("head.output.weight"));
    }
}
