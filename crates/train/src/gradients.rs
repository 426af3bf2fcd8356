//! The gradients of one step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients as BurnGradients, Tensor};
use firebrand_kernels::fused;

use crate::by_path::{self, Look};

/// Gradients of parameters, flattened, by path. A parameter that the loss does not reach has none.
#[derive(Debug)]
pub struct Gradients {
    by_path: BTreeMap<String, Tensor<1>>,
    norm: f64,
    /// What each is to be multiplied with where it is used.
    scale: f64,
}

impl Gradients {
    /// Takes the gradients of a module's parameters out of a backward pass.
    pub fn of<M: Module>(module: &M, gradients: BurnGradients) -> Self {
        let mut visit = Visit { gradients, taker: Taker::default() };
        by_path::visit(module, &mut visit);
        visit.taker.finish()
    }

    /// The sum of both, neither of which is clipped.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        let mut sum = BTreeMap::new();
        for (path, gradient) in other.by_path {
            let gradient = match self.by_path.remove(&path) {
                Some(mine) => mine + gradient,
                None => gradient,
            };
            sum.insert(path, gradient);
        }
        sum.append(&mut self.by_path);
        Self::measured(sum)
    }

    /// The same ones on another device.
    #[must_use]
    pub(crate) fn on(self, device: &Device) -> Self {
        let by_path = self.by_path.into_iter().map(|(path, gradient)| (path, gradient.to_device(device))).collect();
        Self { by_path, ..self }
    }

    /// All of them, unclipped, by path.
    pub(crate) fn into_paths(self) -> BTreeMap<String, Tensor<1>> {
        self.by_path
    }

    /// Gradients with their norm.
    pub(crate) fn measured(by_path: BTreeMap<String, Tensor<1>>) -> Self {
        let mut measured = Taker::default();
        by_path.into_iter().for_each(|(path, gradient)| measured.add(path, gradient));
        measured.finish()
    }

    /// The Euclidean norm of all gradients together, before any clipping.
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// Scales all gradients down to the norm `largest`: `clip_grad_norm_` of torch.
    #[must_use]
    pub fn clipped(self, largest: f64) -> Self {
        Self { scale: (largest / (self.norm + 1e-6)).min(1.0), ..self }
    }

    /// Takes the gradient of a path, and what it is to be multiplied with.
    pub(crate) fn remove(&mut self, path: &str) -> Option<(Tensor<1>, f64)> {
        self.by_path.remove(path).map(|gradient| (gradient, self.scale))
    }
}

/// Whether a device's tensors lie in this process's memory.
pub(crate) fn on_host(device: &Device) -> bool {
    ["flex", "ndarray"].iter().any(|name| firebrand_model::device(name).is_ok_and(|host| host == *device))
}

/// Collects gradients and measures them.
#[derive(Default)]
struct Taker {
    by_path: BTreeMap<String, Tensor<1>>,
    /// Sum of squares of the gradients that lie in this process's memory.
    on_host: f64,
    /// Sums of squares of the others.
    elsewhere: Vec<Tensor<1>>,
}

impl Taker {
    fn add(&mut self, path: String, gradient: Tensor<1>) {
        if on_host(&gradient.device()) {
            self.on_host += fused::sum_of_squares(gradient.clone());
        } else {
            self.elsewhere.push((gradient.clone() * gradient.clone()).sum());
        }
        self.by_path.insert(path, gradient);
    }

    fn finish(self) -> Gradients {
        let mut squares = self.on_host;
        if !self.elsewhere.is_empty() {
            // One tensor, so that a device is asked once.
            squares += Tensor::cat(self.elsewhere, 0).into_data().iter::<f64>().sum::<f64>();
        }
        Gradients { by_path: self.by_path, norm: squares.sqrt(), scale: 1.0 }
    }
}

struct Visit {
    gradients: BurnGradients,
    taker: Taker,
}

impl Look for Visit {
    fn look<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let Some(gradient) = param.val().grad_remove(&mut self.gradients) else { return };
        self.taker.add(path.to_owned(), gradient.flatten(0, D - 1));
    }
}
