//! Top layers that begin anew.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use firebrand_model::Initializer;

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
        let initializer = Initializer::new(self.seed, Initializer::LAYERS, self.deviation);
        parameters::map(module, &mut Apply { reinit: *self, initializer })
    }

    fn has(&self, path: &str) -> bool {
        let layer = path.starts_with("encoder.layers.") && depth(path, self.layers) + self.count > self.layers;
        layer || (self.pooler && path.starts_with("head.dense."))
    }
}

struct Apply {
    reinit: Reinit,
    initializer: Initializer,
}

impl Change for Apply {
    fn change<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.reinit.has(path) {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let values = self.initializer.values(path, shape.iter().product());
        let anew = Tensor::from_data(TensorData::new(values, shape), &tensor.device()).require_grad();
        Param::from_mapped_value(id, anew, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
