//! Where a network's parameters come from when it is built, and how to list them afterwards.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::{ModelError, Network, NetworkConfig};

/// Provides a network's parameters, by path (`encoder.layers.0.mlp.up.weight`) and shape.
pub trait ParameterSource {
    /// The values of a parameter: float32, row-major.
    ///
    /// # Errors
    /// When there is no such parameter or its shape differs.
    fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError>;

    /// The device of the parameters.
    fn device(&self) -> &Device;
}

impl dyn ParameterSource + '_ {
    /// A trainable parameter.
    ///
    /// # Errors
    /// When there is no such parameter or its shape differs.
    pub fn take<const D: usize>(&mut self, path: &str, shape: [usize; D]) -> Result<Param<Tensor<D>>, ModelError> {
        let data = self.data(path, &shape)?;
        Ok(Param::from_data(data, self.device()))
    }
}

/// Path and shape of every parameter of a network of this configuration, without allocating them.
pub(crate) fn expected_parameters(
    config: &NetworkConfig,
    device: &Device,
) -> Result<Vec<(String, Vec<usize>)>, ModelError> {
    struct Listing<'a> {
        found: Vec<(String, Vec<usize>)>,
        device: &'a Device,
    }
    impl ParameterSource for Listing<'_> {
        fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError> {
            self.found.push((path.to_owned(), shape.to_vec()));
            // A single element stands in for the tensor: only paths and shapes matter.
            Ok(TensorData::new(vec![0.0f32], vec![1; shape.len()]))
        }
        fn device(&self) -> &Device {
            self.device
        }
    }
    let mut listing = Listing { found: Vec::new(), device };
    Network::new(&mut listing, config)?;
    Ok(listing.found)
}

/// Whether the modules of this container are segments of a parameter's path: an enum's variant is not. For visitors, whose
/// [`enter_module`](ModuleVisitor::enter_module) gets the container.
pub fn is_path_segment(container: &str) -> bool {
    !container.starts_with("Enum:")
}

/// Every parameter of a module with its path, in the module's order.
pub fn named_parameters<M: Module>(module: &M) -> Vec<(String, TensorData)> {
    struct Collector {
        path: Vec<String>,
        found: Vec<(String, TensorData)>,
    }
    impl ModuleVisitor for Collector {
        fn enter_module(&mut self, name: &str, container: &str) {
            if is_path_segment(container) {
                self.path.push(name.to_owned());
            }
        }
        fn exit_module(&mut self, _name: &str, container: &str) {
            if is_path_segment(container) {
                self.path.pop();
            }
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push((self.path.join("."), param.val().into_data()));
        }
    }
    let mut collector = Collector { path: Vec::new(), found: Vec::new() };
    module.visit(&mut collector);
    collector.found
}
