//! The gradients of one step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients as BurnGradients, Tensor};

use crate::host::{on_host, sum_of_squares};

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
        let mut taker =
            Taker { gradients, path: Vec::new(), by_path: BTreeMap::new(), on_host: 0.0, elsewhere: Vec::new() };
        module.visit(&mut taker);
        let mut squares = taker.on_host;
        if !taker.elsewhere.is_empty() {
            // One tensor, so that a device is asked once.
            squares += Tensor::cat(taker.elsewhere, 0).into_data().iter::<f64>().sum::<f64>();
        }
        Self { by_path: taker.by_path, norm: squares.sqrt(), scale: 1.0 }
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

struct Taker {
    gradients: BurnGradients,
    path: Vec<String>,
    by_path: BTreeMap<String, Tensor<1>>,
    /// Sum of squares of the gradients that lie in this process's memory.
    on_host: f64,
    /// Sums of squares of the others.
    elsewhere: Vec<Tensor<1>>,
}

impl ModuleVisitor for Taker {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let Some(gradient) = param.val().grad_remove(&mut self.gradients) else { return };
        let mut gradient: Tensor<1> = gradient.flatten(0, D - 1);
        let device = gradient.device();
        if on_host(&device) {
            // Handed over and back: the values are not copied.
            let data = gradient.into_data();
            self.on_host += data.as_slice::<f32>().map_or(f64::NAN, sum_of_squares);
            gradient = Tensor::from_data(data, &device);
        } else {
            self.elsewhere.push((gradient.clone() * gradient.clone()).sum());
        }
        self.by_path.insert(self.path.join("."), gradient);
    }
}
