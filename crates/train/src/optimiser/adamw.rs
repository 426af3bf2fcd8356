//! AdamW as in PyTorch.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_fused as fused;

use crate::optimiser::gradients::Gradient;
use crate::parameters::{self, MapParameters};
use crate::{Gradients, LayerDecay};

/// Hyperparameters of [`AdamW`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the gradients' running mean.
    pub beta1: f64,
    /// Decay of the gradients' running mean square.
    pub beta2: f64,
    /// Added to the root of the mean square, for numerical stability.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Suffixes of the paths of parameters without weight decay (`bias`, `norm.weight`).
    pub no_decay: Vec<String>,
}

impl AdamWConfig {
    /// The usual [`no_decay`](Self::no_decay).
    pub const BIASES_AND_NORMS: [&str; 2] = ["bias", "norm.weight"];

    /// The weight decay of the parameter at this path.
    pub fn decay(&self, path: &str) -> f64 {
        let exempt = self.no_decay.iter().any(|end| path.ends_with(end.as_str()));
        if exempt { 0.0 } else { self.weight_decay }
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

/// Optimiser state of one parameter.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    /// Steps in which the parameter had a gradient.
    pub(crate) steps: u64,
    /// Running mean of its gradients.
    pub(crate) mean: Tensor<1>,
    /// Running mean of their squares.
    pub(crate) square: Tensor<1>,
    /// For an embedding table with row gradients: which rows ever had one. Empty if that is not known yet.
    pub(crate) touched: Vec<bool>,
}

impl Moments {
    /// The state of a parameter that has had no gradient yet.
    fn zeros(parameter: &Tensor<1>) -> Self {
        let zeros = || Tensor::zeros(parameter.shape(), &parameter.device());
        Self { steps: 0, mean: zeros(), square: zeros(), touched: Vec::new() }
    }

    /// Derives from the moments which rows ever had a gradient: a row of zeros is as good as untouched.
    fn find_touched(&mut self, width: usize) {
        let rows = self.mean.dims()[0].checked_div(width).unwrap_or(0);
        if self.touched.len() == rows {
            return;
        }
        self.touched = vec![false; rows];
        if self.steps == 0 {
            return;
        }
        for moment in [&self.mean, &self.square] {
            let values: Vec<f32> = moment.to_data().iter().collect();
            for (touched, row) in self.touched.iter_mut().zip(values.chunks(width)) {
                *touched |= row.iter().any(|value| value.to_bits() != 0);
            }
        }
    }
}

impl AdamW {
    /// An optimiser without state.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, layer_decay: None, moments: BTreeMap::new() }
    }

    /// Uses smaller learning rates for lower layers.
    #[must_use]
    pub fn with_layer_decay(self, layer_decay: Option<LayerDecay>) -> Self {
        Self { layer_decay, ..self }
    }

    /// Updates every parameter that has a gradient.
    pub fn step<M: Module>(&mut self, module: M, gradients: Gradients, learning_rate: f64) -> M {
        parameters::map(module, &mut Step { optimizer: self, gradients, learning_rate })
    }

    /// The values of a parameter after a step. The gradient is multiplied by `scale` first.
    pub(crate) fn update(
        &mut self,
        path: &str,
        parameter: Tensor<1>,
        (gradient, scale): (Gradient, f64),
        learning_rate: f64,
    ) -> Tensor<1> {
        let mut moments = self.moments.remove(path).unwrap_or_else(|| Moments::zeros(&parameter));
        let steps = moments.steps + 1;
        let settings = firebrand_kernels::adamw::AdamW {
            learning_rate: learning_rate * self.layer_decay.map_or(1.0, |decay| decay.factor(path)),
            betas: [self.config.beta1, self.config.beta2],
            epsilon: self.config.epsilon,
            weight_decay: self.config.decay(path),
            step: steps,
            gradient_scale: scale as f32,
        };
        let moved;
        let moments = match gradient {
            Gradient::Dense(gradient) => {
                let (mean, square);
                (moved, [mean, square]) = fused::adamw(settings, parameter, [moments.mean, moments.square], gradient);
                Moments { steps, mean, square, touched: Vec::new() }
            }
            Gradient::Rows { rows, width } => {
                moments.find_touched(width);
                let Moments { mean, square, mut touched, .. } = moments;
                let [parameter, mean, square] =
                    [parameter, mean, square].map(|flat| flat.reshape([touched.len(), width]));
                let (table, moments) = fused::adamw_rows(settings, parameter, [mean, square], &rows, &mut touched);
                moved = table.flatten(0, 1);
                let [mean, square] = moments.map(|moment| moment.flatten(0, 1));
                Moments { steps, mean, square, touched }
            }
        };
        self.moments.insert(path.to_owned(), moments);
        moved
    }
}

struct Step<'a> {
    optimizer: &'a mut AdamW,
    gradients: Gradients,
    learning_rate: f64,
}

impl MapParameters for Step<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove(path) else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let strategy = tensor.gradient_checkpointing_strategy();
        // By value, so that the update happens in place.
        let moved = self.optimizer.update(path, tensor.inner().flatten(0, D - 1), gradient, self.learning_rate);
        let tensor = parameters::leaf(moved.reshape(shape), strategy);
        Param::from_mapped_value(id, tensor, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, TensorData};
    use firebrand_fused::{RowGradients, embedding};

    use super::*;

    #[derive(Module, Debug)]
    struct Tables {
        token: Param<Tensor<2>>,
        position: Param<Tensor<2>>,
    }

    fn numbers<const D: usize>(shape: [usize; D], factor: f32, device: &Device) -> Tensor<D> {
        let values = (0..shape.iter().product()).map(|place: usize| (1.0 + place as f32 * factor).sin()).collect();
        Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
    }

    /// The gradients of a batch that differs from step to step; of rows, if wanted.
    fn gradients(tables: &Tables, step: i64, sparse: bool) -> Gradients {
        let device = tables.token.val().device();
        let ids = Tensor::<2, Int>::from_data([[step, 3, 3], [step * 5 % 7, 11, 0]], &device);
        let places = Tensor::<2, Int>::from_data([[0, 1, 2]], &device);
        let rows = RowGradients::default();
        let forward = || embedding(tables.token.val(), ids.clone()) + embedding(tables.position.val(), places.clone());
        let output = if sparse { rows.within(forward) } else { forward() };
        let loss = (output.powi_scalar(2) * numbers([2, 3, 18], 0.3 + step as f32, &device)).sum();
        let gradients = Gradients::of(tables, loss.backward(), &rows);
        let of_rows = gradients.paths().filter(|(_, gradient)| matches!(gradient, Gradient::Rows { .. })).count();
        assert_eq!(of_rows, if sparse { 2 } else { 0 });
        gradients
    }

    /// The tables after six steps, each over two batches, and the norms; before the fourth, what is not in a checkpoint is
    /// lost, if wanted.
    fn six_steps(sparse: bool, resume: bool, largest: Option<f64>) -> ([Vec<u32>; 2], Vec<f64>) {
        let device = Device::flex().autodiff();
        let table = |rows, factor| Param::from_tensor(numbers([rows, 18], factor, &device)).set_require_grad(true);
        let mut tables = Tables { token: table(40, 0.7), position: table(5, 0.2) };
        let (no_decay, mut norms) = (vec!["position".to_owned()], Vec::new());
        let mut adamw =
            AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1, no_decay });
        for step in 0..6 {
            if resume && step == 3 {
                for moments in adamw.moments.values_mut() {
                    moments.touched = Vec::new();
                }
            }
            let found = gradients(&tables, step, sparse).plus(gradients(&tables, step + 20, sparse));
            norms.push(found.norm());
            let found = if let Some(largest) = largest { found.clipped(largest) } else { found };
            tables = adamw.step(tables, found, 0.01 / (step + 1) as f64);
        }
        let bits = |table: &Param<Tensor<2>>| table.val().into_data().iter::<f32>().map(f32::to_bits).collect();
        ([bits(&tables.token), bits(&tables.position)], norms)
    }

    #[test]
    fn gradients_of_rows_end_where_dense_ones_do() {
        let (dense, norms) = six_steps(false, false, None);
        for resume in [false, true] {
            let (found, of_rows) = six_steps(true, resume, None);
            // To the bit, rows without gradient included.
            assert_eq!(found, dense);
            assert!(of_rows.iter().zip(&norms).all(|(found, norm)| (found / norm - 1.0).abs() < 1e-6));
        }
        // The norm's sum is taken in another order.
        let (clipped, expected) = (six_steps(true, false, Some(0.5)).0, six_steps(false, false, Some(0.5)).0);
        assert_eq!(clipped, six_steps(true, true, Some(0.5)).0);
        assert_ne!(clipped, dense);
        for (found, expected) in clipped.iter().flatten().zip(expected.iter().flatten()) {
            assert!((f32::from_bits(*found) - f32::from_bits(*expected)).abs() < 1e-6);
        }
    }
}
