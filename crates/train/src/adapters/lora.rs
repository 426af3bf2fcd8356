//! LoRA: low-rank adapters of chosen weights, with the rest of the encoder frozen
//! ([arXiv 2106.09685](https://arxiv.org/abs/2106.09685)).
//!
//! A chosen weight is `W + s A B`, with the pretrained `W`, `A` of few columns and `B` of few rows; only `A` and `B` are trained.
//! The network always holds the merged weight, so that nothing has to be merged at the end and every family, device and file
//! works as before. The gradients of `A` and `B` follow from that of the merged weight: `s dW Bᵀ` and `s Aᵀ dW`. Compared with
//! full fine-tuning this saves optimiser state and the optimiser's pass over the weights, but not the gradient of the weight.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use firebrand_model::Initializer;
use firebrand_pipeline::{Error, Result};

use crate::optimiser::gradients::Gradient;
use crate::parameters::{self, MapParameters, VisitParameters};
use crate::{AdamW, Gradients};

/// The adapters of all chosen weights.
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

/// Whether the parameter at this path is a layer's weight with this name (`query`, `up`).
pub(crate) fn is_target(path: &str, target: &str) -> bool {
    path.starts_with("encoder.layers.")
        && path.strip_suffix(".weight").and_then(|path| path.rsplit('.').next()) == Some(target)
}

impl Lora {
    /// Adapters of this rank, scaled by `alpha / rank`. They add nothing at first: `A` is drawn from a normal distribution with
    /// variance `1 / rank`, and `B` is zero. The module's current weights are the `W`.
    ///
    /// # Errors
    /// A configuration error when the layers have no weight with a target's name.
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
        let mut initializer = Initializer::new(seed, Initializer::ADAPTERS, (1.0 / rank as f64).sqrt());
        let adapters = chosen.into_iter().map(|(path, base)| {
            let ([inputs, outputs], device) = (base.dims(), base.device());
            let values = initializer.values(&a_path(&path), inputs * rank);
            let a = Tensor::from_data(TensorData::new(values, [inputs, rank]), &device);
            let b = Tensor::zeros([rank, outputs], &device);
            (path, Adapter { base, a, b })
        });
        Ok(Self { scale: alpha / rank as f64, adapters: adapters.collect() })
    }

    /// `A` and `B` by path, to be saved in a checkpoint.
    pub(crate) fn values(&self) -> BTreeMap<String, TensorData> {
        let pairs = self.adapters.iter();
        pairs.flat_map(|(path, it)| [(a_path(path), it.a.to_data()), (b_path(path), it.b.to_data())]).collect()
    }

    /// The adapters with the values of a checkpoint.
    pub(crate) fn with_values(mut self, mut values: BTreeMap<String, TensorData>) -> Result<Self> {
        for (path, adapter) in &mut self.adapters {
            let device = adapter.base.device();
            let lost = || Error::data(format!("the LoRA adapter of `{path}` is missing"));
            adapter.a = Tensor::from_data(values.remove(&a_path(path)).ok_or_else(lost)?, &device);
            adapter.b = Tensor::from_data(values.remove(&b_path(path)).ok_or_else(lost)?, &device);
        }
        Ok(self)
    }

    /// Replaces the gradients of the merged weights by those of the adapters.
    pub(crate) fn project(&self, mut gradients: Gradients) -> Gradients {
        let mut projected = BTreeMap::new();
        for (path, Adapter { base, a, b }) in &self.adapters {
            // Only embedding tables have row gradients.
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

    /// Updates the adapters and every other parameter that has a gradient, then writes the merged weights into the network.
    ///
    /// The weight of an adapter without a gradient is left as it is: it is frozen, and stays so.
    pub(crate) fn step<M: Module>(
        &mut self,
        optimizer: &mut AdamW,
        module: M,
        mut gradients: Gradients,
        learning_rate: f64,
    ) -> M {
        let mut moved = BTreeSet::new();
        for (weight, adapter) in &mut self.adapters {
            for (path, part) in [(a_path(weight), &mut adapter.a), (b_path(weight), &mut adapter.b)] {
                let Some(gradient) = gradients.remove(&path) else { continue };
                let shape = part.dims();
                let updated = optimizer.update(&path, part.clone().flatten(0, 1), gradient, learning_rate);
                *part = updated.reshape(shape);
                moved.insert(weight.clone());
            }
        }
        parameters::map(optimizer.step(module, gradients, learning_rate), &mut Fill { lora: self, moved })
    }

    /// The merged weight at a path.
    fn merged(&self, path: &str) -> Option<Tensor<2>> {
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
    /// The weight names that targets may have.
    names: Vec<String>,
}

impl VisitParameters for Collect<'_> {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
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

/// Writes the merged weights of the adapters that were updated into the network.
struct Fill<'a> {
    lora: &'a Lora,
    /// The paths of their weights.
    moved: BTreeSet<String>,
}

impl MapParameters for Fill<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(merged) = self.lora.merged(path).filter(|_| self.moved.contains(path)) else { return param };
        let (id, tensor, mapper) = param.consume();
        let merged = parameters::leaf(merged.reshape(tensor.dims()), tensor.gradient_checkpointing_strategy());
        Param::from_mapped_value(id, merged, mapper)
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

    /// The gradients of the adapters are those of `Σ G ∘ (W + s A B)` by differences.
    #[test]
    fn projected_gradients_are_those_of_the_adapters() {
        let path = "encoder.layers.0.query.weight";
        let mut lora = Lora::new(&module(), 2, 6.0, &["query".to_owned()], 1).unwrap();
        lora.adapters.get_mut(path).unwrap().b = tensor([2, 3], 0.9);
        let gradient = tensor([4, 3], 0.4);
        let of_merged = Gradient::Dense(gradient.clone().flatten(0, 1));
        let mut found = lora.project(Gradients::measured([(path.to_owned(), of_merged)].into()));
        assert!(found.remove(path).is_none());
        let loss = |lora: &Lora| number(lora.merged(path).unwrap() * gradient.clone());
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
    fn adapters_add_nothing_at_first_and_target_names_are_checked() {
        let lora = Lora::new(&module(), 2, 6.0, &["query".to_owned()], 1).unwrap();
        assert_eq!(lora.adapters.keys().collect::<Vec<_>>(), ["encoder.layers.0.query.weight"]);
        let weight = module().encoder.layers[0].query.weight.val().inner();
        assert_eq!(lora.merged("encoder.layers.0.query.weight").unwrap().into_data(), weight.into_data());
        let error = Lora::new(&module(), 2, 6.0, &["value".to_owned()], 1).unwrap_err();
        assert!(
            error.message().contains("`lora_targets` has `value`") && error.message().ends_with("key, query"),
            "{error}"
        );
    }
}
