//! Low-rank updates of chosen weights, everything else of the encoder standing still
//! ([arXiv 2106.09685](https://arxiv.org/abs/2106.09685)).
//!
//! A chosen weight is `W + s A B`, with `W` as it was pretrained, `A` of few columns and `B` of few rows; only `A` and `B` are
//! trained. The network always holds the sum, so that nothing has to be merged at the end and every family, device and file
//! works as before. The gradients of `A` and `B` follow from the sum's: `s dW Bᵀ` and `s Aᵀ dW`. What is saved over training
//! everything is the optimiser's memory and its pass over the weights, not the gradient of the sum.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use firebrand_pipeline::{Error, Result};

use crate::adapters::reinit::normal;
use crate::optimiser::gradients::Gradient;
use crate::parameters::{self, Change, Look};
use crate::{AdamW, Gradients};

/// The updates of all chosen weights.
#[derive(Debug, Clone)]
pub struct Lora {
    scale: f64,
    /// By parameter path.
    adapters: BTreeMap<String, Adapter>,
}

#[derive(Debug, Clone)]
struct Adapter {
    /// The pretrained weight, `[inputs, outputs]`.
    base: Tensor<2>,
    /// `[inputs, rank]`.
    a: Tensor<2>,
    /// `[rank, outputs]`.
    b: Tensor<2>,
}

/// Whether the parameter of this path is a layer's weight of this name (`query`, `up`).
pub(crate) fn is_target(path: &str, target: &str) -> bool {
    path.starts_with("encoder.layers.")
        && path.strip_suffix(".weight").and_then(|path| path.rsplit('.').next()) == Some(target)
}

impl Lora {
    /// Updates of rank `rank`, scaled by `alpha / rank`, that are nothing yet: `A` is drawn from a normal distribution with
    /// variance `1 / rank`, `B` is zero. The module's chosen weights are taken as the pretrained ones.
    ///
    /// # Errors
    /// A configuration error when a target is no weight of the layers.
    pub fn new<M: Module>(module: &M, rank: usize, alpha: f64, targets: &[String], seed: u64) -> Result<Self> {
        let mut visit = Collect { targets, chosen: BTreeMap::new(), names: Vec::new() };
        parameters::visit(module, &mut visit);
        let Collect { chosen, mut names, .. } = visit;
        names.sort();
        names.dedup();
        if let Some(odd) = targets.iter().find(|target| !names.contains(target)) {
            let problem = format!("has `{odd}`, but the weights of the model's layers are: {}", names.join(", "));
            return Err(Error::key("lora_targets", problem));
        }
        let adapters = chosen.into_iter().zip(1..).map(|((path, base), stream)| {
            let ([inputs, outputs], device) = (base.dims(), base.device());
            // Streams of their own beside those of layers that begin anew.
            let values = normal(seed, (1 << 32) + stream, inputs * rank, (1.0 / rank as f64).sqrt());
            let a = Tensor::from_data(TensorData::new(values, [inputs, rank]), &device);
            let b = Tensor::zeros([rank, outputs], &device);
            (path, Adapter { base, a, b })
        });
        Ok(Self { scale: alpha / rank as f64, adapters: adapters.collect() })
    }

    /// `A` and `B` by path, for a checkpoint.
    pub(crate) fn values(&self) -> BTreeMap<String, TensorData> {
        let pairs = self.adapters.iter();
        pairs.flat_map(|(path, it)| [(a_path(path), it.a.to_data()), (b_path(path), it.b.to_data())]).collect()
    }

    /// Takes up what a checkpoint has.
    pub(crate) fn with_values(mut self, mut values: BTreeMap<String, TensorData>) -> Result<Self> {
        for (path, adapter) in &mut self.adapters {
            let device = adapter.base.device();
            let lost = || Error::data(format!("the low-rank update of `{path}` is missing"));
            adapter.a = Tensor::from_data(values.remove(&a_path(path)).ok_or_else(lost)?, &device);
            adapter.b = Tensor::from_data(values.remove(&b_path(path)).ok_or_else(lost)?, &device);
        }
        Ok(self)
    }

    /// The gradients of the updates in the place of those of the sums.
    pub(crate) fn project(&self, mut gradients: Gradients) -> Gradients {
        let mut projected = BTreeMap::new();
        for (path, Adapter { base, a, b }) in &self.adapters {
            // Weights of layers are not looked up by rows.
            let Some((Gradient::Dense(gradient), _)) = gradients.remove(path) else { continue };
            let gradient: Tensor<2> = gradient.reshape(base.dims());
            let for_a = gradient.clone().matmul(b.clone().transpose()).mul_scalar(self.scale);
            let for_b = a.clone().transpose().matmul(gradient).mul_scalar(self.scale);
            projected.insert(a_path(path), Gradient::Dense(for_a.flatten(0, 1)));
            projected.insert(b_path(path), Gradient::Dense(for_b.flatten(0, 1)));
        }
        projected.extend(gradients.into_paths());
        Gradients::measured(projected)
    }

    /// Moves the updates, and everything else that has a gradient; sets the sums.
    pub(crate) fn step<M: Module>(
        &mut self,
        optimizer: &mut AdamW,
        module: M,
        mut gradients: Gradients,
        learning_rate: f64,
    ) -> M {
        for (path, adapter) in &mut self.adapters {
            for (path, part) in [(a_path(path), &mut adapter.a), (b_path(path), &mut adapter.b)] {
                let Some(gradient) = gradients.remove(&path) else { continue };
                let shape = part.dims();
                let moved = optimizer.update(&path, part.clone().flatten(0, 1), gradient, learning_rate);
                *part = moved.reshape(shape);
            }
        }
        parameters::map(optimizer.step(module, gradients, learning_rate), &mut Fill { lora: self })
    }

    /// The sum at a path.
    fn sum(&self, path: &str) -> Option<Tensor<2>> {
        let Adapter { base, a, b } = self.adapters.get(path)?;
        Some(base.clone() + a.clone().matmul(b.clone()).mul_scalar(self.scale))
    }
}

fn a_path(path: &str) -> String {
    format!("{path}.lora_a")
}

fn b_path(path: &str) -> String {
    format!("{path}.lora_b")
}

struct Collect<'a> {
    targets: &'a [String],
    chosen: BTreeMap<String, Tensor<2>>,
    /// The names that targets may have.
    names: Vec<String>,
}

impl Look for Collect<'_> {
    fn look<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let name = path.strip_suffix(".weight").and_then(|path| path.rsplit('.').next()).unwrap_or_default().to_owned();
        if D != 2 || !is_target(path, &name) {
            return;
        }
        if self.targets.contains(&name) {
            let value = param.val().inner();
            let [inputs, outputs] = [value.dims()[0], value.dims()[1]];
            self.chosen.insert(path.to_owned(), value.reshape([inputs, outputs]));
        }
        self.names.push(name);
    }
}

struct Fill<'a> {
    lora: &'a Lora,
}

impl Change for Fill<'_> {
    fn change<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(sum) = self.lora.sum(path) else { return param };
        let (id, tensor, mapper) = param.consume();
        let sum = parameters::leaf(sum.reshape(tensor.dims()), tensor.gradient_checkpointing_strategy());
        Param::from_mapped_value(id, sum, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Outer {
        encoder: Encoder,
    }

    #[derive(Module, Debug)]
    struct Encoder {
        layers: Vec<Layer>,
    }

    #[derive(Module, Debug)]
    struct Layer {
        query: Weight,
        key: Weight,
    }

    #[derive(Module, Debug)]
    struct Weight {
        weight: Param<Tensor<2>>,
    }

    fn module() -> Outer {
        let weight = |factor: f32| {
            let values: Vec<f32> = (0..12).map(|place| (place as f32 * factor).sin()).collect();
            Weight { weight: Param::from_data(TensorData::new(values, [4, 3]), &Device::flex().autodiff()) }
        };
        Outer { encoder: Encoder { layers: vec![Layer { query: weight(0.7), key: weight(1.3) }] } }
    }

    fn tensor<const D: usize>(shape: [usize; D], factor: f32) -> Tensor<D> {
        let length = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..length).map(|place| (1.0 + place as f32 * factor).cos()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn number<const D: usize>(tensor: Tensor<D>) -> f64 {
        tensor.sum().into_data().iter::<f64>().sum()
    }

    /// The gradients of the updates are those of `Σ G ∘ (W + s A B)` by differences.
    #[test]
    fn projected_gradients_are_those_of_the_updates() {
        let path = "encoder.layers.0.query.weight";
        let mut lora = Lora::new(&module(), 2, 6.0, &["query".to_owned()], 1).unwrap();
        lora.adapters.get_mut(path).unwrap().b = tensor([2, 3], 0.9);
        let gradient = tensor([4, 3], 0.4);
        let of_sum = Gradient::Dense(gradient.clone().flatten(0, 1));
        let mut found = lora.project(Gradients::measured([(path.to_owned(), of_sum)].into()));
        assert!(found.remove(path).is_none());
        let loss = |lora: &Lora| number(lora.sum(path).unwrap() * gradient.clone());
        for (part, shape) in [(a_path(path), [4, 2]), (b_path(path), [2, 3])] {
            let Some((Gradient::Dense(found), _)) = found.remove(&part) else { panic!("{part}") };
            let found: Vec<f64> = found.into_data().iter::<f64>().collect();
            for (place, found) in found.into_iter().enumerate() {
                let moved = |by: f32| {
                    let mut values = vec![0.0_f32; shape[0] * shape[1]];
                    values[place] = by;
                    let by = Tensor::<2>::from_data(TensorData::new(values, shape), &Device::flex());
                    let mut lora = lora.clone();
                    let adapter = lora.adapters.get_mut(path).unwrap();
                    let target = if part == a_path(path) { &mut adapter.a } else { &mut adapter.b };
                    *target = target.clone() + by;
                    loss(&lora)
                };
                let expected = (moved(0.5) - moved(-0.5)) / 1.0;
                assert!((found - expected).abs() < 1e-4, "{part} {place}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn updates_begin_as_nothing_and_their_names_are_checked() {
        let lora = Lora::new(&module(), 2, 6.0, &["query".to_owned()], 1).unwrap();
        assert_eq!(lora.adapters.keys().collect::<Vec<_>>(), ["encoder.layers.0.query.weight"]);
        let weight = module().encoder.layers[0].query.weight.val().inner();
        assert_eq!(lora.sum("encoder.layers.0.query.weight").unwrap().into_data(), weight.into_data());
        let error = Lora::new(&module(), 2, 6.0, &["value".to_owned()], 1).unwrap_err();
        assert!(
            error.message().contains("`lora_targets` has `value`") && error.message().ends_with("key, query"),
            "{error}"
        );
    }
}
