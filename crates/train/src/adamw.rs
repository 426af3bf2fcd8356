//! AdamW with the reference's meaning.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_kernels::fused;

use crate::by_path::{self, Change};
use crate::{Gradients, LayerDecay};

/// The constants of [`AdamW`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the gradients' running mean.
    pub beta1: f64,
    /// Decay of the gradients' running mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Ends of the paths of parameters without decay (`bias`, `norm.weight`).
    pub no_decay: Vec<String>,
}

impl AdamWConfig {
    /// The usual [`no_decay`](Self::no_decay).
    pub const BIASES_AND_NORMS: [&str; 2] = ["bias", "norm.weight"];

    /// The decay of the parameter of this path.
    pub fn decay(&self, path: &str) -> f64 {
        let spared = self.no_decay.iter().any(|end| path.ends_with(end.as_str()));
        if spared { 0.0 } else { self.weight_decay }
    }
}

/// Adam with bias correction and decoupled weight decay ([arXiv 1711.05101](https://arxiv.org/abs/1711.05101)), as
/// `torch.optim.AdamW` has it: a parameter without a gradient is left alone, decay included.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
    layer_decay: Option<LayerDecay>,
    /// By parameter path.
    pub(crate) moments: BTreeMap<String, Moments>,
}

/// What is remembered of a parameter's gradients.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    /// Steps that the parameter had a gradient in.
    pub(crate) steps: u64,
    /// Running mean.
    pub(crate) mean: Tensor<1>,
    /// Running mean square.
    pub(crate) square: Tensor<1>,
}

impl AdamW {
    /// An optimiser that remembers nothing yet.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, layer_decay: None, moments: BTreeMap::new() }
    }

    /// Moves the parameters of lower layers at smaller rates.
    #[must_use]
    pub fn with_layer_decay(self, layer_decay: Option<LayerDecay>) -> Self {
        Self { layer_decay, ..self }
    }

    /// Moves every parameter that has a gradient.
    pub fn step<M: Module>(&mut self, module: M, gradients: Gradients, learning_rate: f64) -> M {
        by_path::map(module, &mut Step { optimizer: self, gradients, learning_rate })
    }

    /// The values of a parameter after a step; `scale` is what the gradient is to be multiplied with first.
    pub(crate) fn update(
        &mut self,
        path: &str,
        parameter: Tensor<1>,
        (gradient, scale): (Tensor<1>, f64),
        learning_rate: f64,
    ) -> Tensor<1> {
        let Moments { steps, mean, square } = self.moments.remove(path).unwrap_or_else(|| Moments {
            steps: 0,
            mean: Tensor::zeros(gradient.shape(), &gradient.device()),
            square: Tensor::zeros(gradient.shape(), &gradient.device()),
        });
        let steps = steps + 1;
        let settings = firebrand_kernels::adamw::AdamW {
            learning_rate: learning_rate * self.layer_decay.map_or(1.0, |decay| decay.factor(path)),
            betas: [self.config.beta1, self.config.beta2],
            epsilon: self.config.epsilon,
            weight_decay: self.config.decay(path),
            step: steps,
            gradient_scale: scale as f32,
        };
        let (moved, [mean, square]) = fused::adamw(settings, parameter, [mean, square], gradient);
        self.moments.insert(path.to_owned(), Moments { steps, mean, square });
        moved
    }
}

struct Step<'a> {
    optimizer: &'a mut AdamW,
    gradients: Gradients,
    learning_rate: f64,
}

impl Change for Step<'_> {
    fn change<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove(path) else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let moved = self.optimizer.update(path, tensor.inner().flatten(0, D - 1), gradient, self.learning_rate);
        let tensor = Tensor::from_inner(moved.reshape(shape)).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}
