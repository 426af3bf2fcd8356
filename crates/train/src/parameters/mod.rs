//! Walks over a module's parameters that know each one's path (`encoder.layers.0.mlp.up.weight`).

pub(crate) mod depth;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};

/// What becomes of a parameter.
pub(crate) trait Change {
    /// The parameter of this path, changed or as it is.
    fn change<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// What is to be seen of a parameter.
pub(crate) trait Look {
    /// Sees the parameter of this path.
    fn look<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>);
}

/// A parameter's new values, recording gradients as the old ones did. (Burn forgets how where a tensor leaves the graph.)
pub(crate) fn leaf<const D: usize>(values: Tensor<D>, strategy: Option<GradientCheckpointingStrategy>) -> Tensor<D> {
    let leaf = Tensor::from_inner(values);
    let leaf = match strategy {
        Some(strategy) => leaf.with_gradient_checkpointing_strategy(strategy),
        None => leaf,
    };
    leaf.require_grad()
}

/// Changes every parameter, in the module's order.
pub(crate) fn map<M: Module>(module: M, change: &mut impl Change) -> M {
    module.map(&mut Walk { each: change, path: Vec::new() })
}

/// Looks at every parameter, in the module's order.
pub(crate) fn visit<M: Module>(module: &M, look: &mut impl Look) {
    module.visit(&mut Walk { each: look, path: Vec::new() });
}

struct Walk<'a, T> {
    each: &'a mut T,
    path: Vec<String>,
}

impl<T: Change> ModuleMapper for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.each.change(&self.path.join("."), param)
    }
}

impl<T: Look> ModuleVisitor for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.each.look(&self.path.join("."), param);
    }
}
