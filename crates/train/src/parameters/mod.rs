//! Visiting and mapping a module's parameters by their path (`encoder.layers.0.mlp.up.weight`).

pub(crate) mod depth;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};
use firebrand_model::is_path_segment;

/// Maps parameters to new ones.
pub(crate) trait MapParameters {
    /// The new parameter at this path.
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Reads parameters.
pub(crate) trait VisitParameters {
    /// Visits the parameter at this path.
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>);
}

/// A leaf of the autodiff graph with these values. `strategy` is that of the parameter's old tensor, which Burn drops when a
/// tensor leaves the graph.
pub(crate) fn leaf<const D: usize>(values: Tensor<D>, strategy: Option<GradientCheckpointingStrategy>) -> Tensor<D> {
    let leaf = Tensor::from_inner(values);
    let leaf = match strategy {
        Some(strategy) => leaf.with_gradient_checkpointing_strategy(strategy),
        None => leaf,
    };
    leaf.require_grad()
}

/// Maps every parameter, in the module's order.
pub(crate) fn map<M: Module>(module: M, mapper: &mut impl MapParameters) -> M {
    module.map(&mut Walk { each: mapper, path: Vec::new() })
}

/// Visits every parameter, in the module's order.
pub(crate) fn visit<M: Module>(module: &M, visitor: &mut impl VisitParameters) {
    module.visit(&mut Walk { each: visitor, path: Vec::new() });
}

struct Walk<'a, T> {
    each: &'a mut T,
    path: Vec<String>,
}

impl<T> Walk<'_, T> {
    fn enter(&mut self, name: &str, container: &str) {
        if is_path_segment(container) {
            self.path.push(name.to_owned());
        }
    }

    fn exit(&mut self, container: &str) {
        if is_path_segment(container) {
            self.path.pop();
        }
    }
}

impl<T: MapParameters> ModuleMapper for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.each.map(&self.path.join("."), param)
    }
}

impl<T: VisitParameters> ModuleVisitor for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.each.visit(&self.path.join("."), param);
    }
}
