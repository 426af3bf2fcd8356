//! AdamW with the reference's meaning.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::host::{Update, on_host};
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
        module.map(&mut Step { optimizer: self, gradients, learning_rate, path: Vec::new() })
    }

    /// The values of a parameter after a step; `scale` is what the gradient is to be multiplied with first.
    pub(crate) fn update(
        &mut self,
        path: &str,
        parameter: Tensor<1>,
        (gradient, scale): (Tensor<1>, f64),
        learning_rate: f64,
    ) -> Tensor<1> {
        let AdamWConfig { beta1, beta2, epsilon, .. } = self.config;
        let learning_rate = learning_rate * self.layer_decay.map_or(1.0, |decay| decay.factor(path));
        let Moments { steps, mean, square } = self.moments.remove(path).unwrap_or_else(|| Moments {
            steps: 0,
            mean: Tensor::zeros(gradient.shape(), &gradient.device()),
            square: Tensor::zeros(gradient.shape(), &gradient.device()),
        });
        let steps = steps + 1;
        let power = i32::try_from(steps).unwrap_or(i32::MAX);
        let update = Update {
            beta1,
            beta2,
            epsilon,
            scale,
            kept: 1.0 - learning_rate * self.config.decay(path),
            step_size: learning_rate / (1.0 - beta1.powi(power)),
            root: (1.0 - beta2.powi(power)).sqrt(),
        };
        let apply = if on_host(&parameter.device()) { in_place } else { by_operations };
        let (moved, mean, square) = apply(update, parameter, gradient, mean, square);
        self.moments.insert(path.to_owned(), Moments { steps, mean, square });
        moved
    }
}

/// Parameter, mean and mean square after an update.
type Updated = (Tensor<1>, Tensor<1>, Tensor<1>);

/// In one pass, for tensors in this process's memory: each is handed over and back, and nothing is copied.
fn in_place(update: Update, parameter: Tensor<1>, gradient: Tensor<1>, mean: Tensor<1>, square: Tensor<1>) -> Updated {
    let device = parameter.device();
    let (mut parameter, gradient) = (parameter.into_data(), gradient.into_data());
    let (mut mean, mut square) = (mean.into_data(), square.into_data());
    if let (Ok(parameter), Ok(gradient), Ok(mean), Ok(square)) = (
        parameter.as_mut_slice::<f32>(),
        gradient.as_slice::<f32>(),
        mean.as_mut_slice::<f32>(),
        square.as_mut_slice::<f32>(),
    ) {
        update.apply(parameter, gradient, mean, square);
    }
    let back = |data: TensorData| Tensor::from_data(data, &device);
    (back(parameter), back(mean), back(square))
}

/// By tensor operations, wherever the tensors lie.
fn by_operations(
    update: Update,
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    mean: Tensor<1>,
    square: Tensor<1>,
) -> Updated {
    let Update { beta1, beta2, .. } = update;
    let gradient = gradient.mul_scalar(update.scale);
    let square = square.mul_scalar(beta2) + (gradient.clone() * gradient.clone()).mul_scalar(1.0 - beta2);
    let mean = mean.mul_scalar(beta1) + gradient.mul_scalar(1.0 - beta1);
    let root = square.clone().sqrt().div_scalar(update.root).add_scalar(update.epsilon);
    let moved = parameter.mul_scalar(update.kept) - (mean.clone() / root).mul_scalar(update.step_size);
    (moved, mean, square)
}

struct Step<'a> {
    optimizer: &'a mut AdamW,
    gradients: Gradients,
    learning_rate: f64,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(gradient) = self.gradients.remove(&path) else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let moved = self.optimizer.update(&path, tensor.inner().flatten(0, D - 1), gradient, self.learning_rate);
        let tensor = Tensor::from_inner(moved.reshape(shape)).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn tensor(factor: f32) -> Tensor<1> {
        let values: Vec<f32> = (0..1000).map(|place| ((place as f32) * factor).sin()).collect();
        Tensor::from_data(TensorData::new(values, [1000]), &Device::flex())
    }

    #[test]
    fn one_pass_and_tensor_operations_agree() {
        let update =
            Update { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, scale: 0.7, kept: 0.999, step_size: 1e-2, root: 0.05 };
        let run = |apply: fn(Update, Tensor<1>, Tensor<1>, Tensor<1>, Tensor<1>) -> Updated| {
            let (parameter, mean, square) = apply(update, tensor(0.1), tensor(0.2), tensor(0.3), tensor(0.4).abs());
            [parameter, mean, square].map(|tensor| tensor.into_data().try_to_vec::<f32>().unwrap())
        };
        for (one, other) in run(in_place).iter().zip(run(by_operations)) {
            for (one, other) in one.iter().zip(other) {
                assert!((one - other).abs() <= 2e-6 * other.abs().max(0.1), "{one} against {other}");
            }
        }
    }
}
