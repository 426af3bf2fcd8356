//! Where a network's parameters come from when it is built, and how to list them afterwards.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use firebrand_arch::{FloatTensor, ModelError, TensorValues, TensorView};

/// Provides a network's parameters, by path (`encoder.layers.0.mlp.up.weight`) and shape.
pub trait ParameterSource {
    /// The values of a parameter, row-major: as many as the shape has elements.
    ///
    /// # Errors
    /// When there is no such parameter or its shape differs.
    fn values(&mut self, path: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError>;

    /// The device of the parameters.
    fn device(&self) -> &Device;
}

impl dyn ParameterSource + '_ {
    /// A trainable parameter.
    ///
    /// # Errors
    /// When there is no such parameter or its shape differs.
    pub fn take<const D: usize>(&mut self, path: &str, shape: [usize; D]) -> Result<Param<Tensor<D>>, ModelError> {
        let values = self.values(path, &shape)?;
        Ok(Param::from_data(TensorData::new(values, shape), self.device()))
    }
}

/// Parameters from a function of path and shape.
pub(crate) struct FromFunction<'a, F> {
    pub(crate) values: F,
    pub(crate) device: &'a Device,
}

impl<F: FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>> ParameterSource for FromFunction<'_, F> {
    fn values(&mut self, path: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        (self.values)(path, shape)
    }

    fn device(&self) -> &Device {
        self.device
    }
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

/// Every parameter of a module with its path, as files hold it.
pub(crate) fn float_parameters<M: Module>(module: &M) -> Vec<(String, FloatTensor)> {
    let parameters = named_parameters(module).into_iter();
    parameters
        .map(|(path, data)| {
            let shape = data.shape().to_vec();
            // Parameters are float32 on every device.
            (path, FloatTensor::new(data.convert::<f32>().try_into_vec().unwrap_or_default(), shape))
        })
        .collect()
}

/// Float32 data as [`write_safetensors`](firebrand_arch::write_safetensors) takes it, which refuses any other as having no values.
pub fn tensor_view(data: &TensorData) -> TensorView<'_> {
    TensorView { shape: &data.shape()[..], values: TensorValues::F32(data.as_slice().unwrap_or_default()) }
}
