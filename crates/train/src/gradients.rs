//! The gradients of one step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients as BurnGradients, Tensor};

/// Gradients of parameters, flattened, by path. A parameter that the loss does not reach has none.
#[derive(Debug)]
pub struct Gradients {
    by_path: BTreeMap<String, Tensor<1>>,
}

impl Gradients {
    /// Takes the gradients of a module's parameters out of a backward pass.
    pub fn of<M: Module>(module: &M, gradients: BurnGradients) -> Self {
        struct Taker {
            gradients: BurnGradients,
            path: Vec<String>,
            by_path: BTreeMap<String, Tensor<1>>,
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
                if let Some(gradient) = param.val().grad_remove(&mut self.gradients) {
                    self.by_path.insert(self.path.join("."), gradient.flatten(0, D - 1));
                }
            }
        }
        let mut taker = Taker { gradients, path: Vec::new(), by_path: BTreeMap::new() };
        module.visit(&mut taker);
        Self { by_path: taker.by_path }
    }

    /// The Euclidean norm of all gradients together.
    pub fn norm(&self) -> f64 {
        let squares: Vec<Tensor<1>> =
            self.by_path.values().map(|gradient| (gradient.clone() * gradient.clone()).sum()).collect();
        if squares.is_empty() {
            return 0.0;
        }
        // One tensor, so that a device is asked once.
        let squares = Tensor::cat(squares, 0).into_data();
        squares.iter::<f64>().sum::<f64>().sqrt()
    }

    /// Scales all gradients down to the norm `largest`, given their `norm`: `clip_grad_norm_` of torch.
    #[must_use]
    pub fn clipped(mut self, norm: f64, largest: f64) -> Self {
        let scale = largest / (norm + 1e-6);
        if scale < 1.0 {
            for gradient in self.by_path.values_mut() {
                *gradient = gradient.clone().mul_scalar(scale);
            }
        }
        self
    }

    /// Takes the gradient of a path.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Tensor<1>> {
        self.by_path.remove(path)
    }
}
