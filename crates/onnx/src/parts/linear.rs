//! Linear layers, norms and activation functions.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use firebrand_arch::{Activation, NormConfig};
use firebrand_pipeline::{Error, Result};

use super::Builder;
use crate::Precision;
use crate::convert;
use crate::graph::{Attribute, Data, Graph, Value};
use crate::proto::DataType;

/// The zeros of norms without a bias: ONNX allows leaving it out, but ONNX Runtime's optimizer fails then.
const NO_BIAS: &str = "norm.no_bias";

/// A layer's path, width in and out, and whether it has a bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear<'a> {
    pub(crate) path: &'a str,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) bias: bool,
}

impl Builder<'_> {
    /// A linear layer over the last axis.
    pub(super) fn linear(&mut self, layer: Linear<'_>, x: &Value) -> Result<Value> {
        let Linear { path, inputs, outputs, bias } = layer;
        let name = format!("{path}.weight");
        let product = match self.graph.precision() {
            Precision::Int8 => self.int8_product(&name, [inputs, outputs], x)?,
            Precision::Fp32 | Precision::Fp16 => {
                let weight = self.parameter(&name, &[inputs, outputs])?;
                self.graph.matmul(x, &weight)
            }
        };
        if !bias {
            return Ok(product);
        }
        let bias = self.parameter(&format!("{path}.bias"), &[outputs])?;
        Ok(self.graph.add(&product, &bias))
    }

    /// A linear layer over float32 in float32, whatever the precision.
    pub(super) fn linear_f32(&mut self, layer: Linear<'_>, x: &Value) -> Result<Value> {
        let Linear { path, inputs, outputs, bias } = layer;
        let name = format!("{path}.weight");
        let values = self.source.floats(&name, &[inputs, outputs])?;
        let weight = self.graph.constant(&name, &[inputs, outputs], Data::F32(values));
        let product = self.graph.matmul(x, &weight);
        if !bias {
            return Ok(product);
        }
        let name = format!("{path}.bias");
        let bias = self.graph.constant(&name, &[outputs], Data::F32(self.source.floats(&name, &[outputs])?));
        Ok(self.graph.add(&product, &bias))
    }

    /// The product of quantised activations and quantised weights.
    fn int8_product(&mut self, name: &str, shape: [usize; 2], x: &Value) -> Result<Value> {
        let [weight, scales] = match self.graph.known(name) {
            Some(known) => known,
            None => {
                let matrix = self.source.int8_weight(name, shape)?;
                let made = convert::int8_weight(&mut self.graph, name, matrix, shape[0]);
                self.graph.remember(name, made.clone());
                made
            }
        };
        let graph = &mut self.graph;
        // Query, key and value read the same activations.
        let [quantized, scale, zero] =
            graph.shared(format!("quantized {}", x.name()), |graph| graph.node("DynamicQuantizeLinear", &[x], &[]));
        let product = graph.op("MatMulInteger", &[&quantized, &weight, &zero]);
        let product = graph.cast(&product, DataType::Float32);
        let scale = graph.mul(&scale, &scales);
        Ok(graph.mul(&product, &scale))
    }

    /// A layer norm over the last axis.
    pub(super) fn norm(&mut self, path: &str, size: usize, config: NormConfig, x: &Value) -> Result<Value> {
        let weight = self.parameter(&format!("{path}.weight"), &[size])?;
        let bias = match config.bias {
            true => self.parameter(&format!("{path}.bias"), &[size])?,
            false => self.shared_constant(NO_BIAS, &[size], |_| Ok(vec![0.0; size]))?,
        };
        Ok(self.layer_normalization(config, [x, &weight, &bias]))
    }

    /// A layer norm of float32 in float32, whatever the precision.
    pub(super) fn norm_f32(&mut self, path: &str, size: usize, config: NormConfig, x: &Value) -> Result<Value> {
        let mut constant = |name: &str, is_stored: bool| {
            let name = format!("{path}.{name}");
            let values = if is_stored { self.source.floats(&name, &[size])? } else { vec![0.0; size] };
            Ok::<_, Error>(self.graph.constant(&name, &[size], Data::F32(values)))
        };
        let (weight, bias) = (constant("weight", true)?, constant("bias", config.bias)?);
        Ok(self.layer_normalization(config, [x, &weight, &bias]))
    }

    fn layer_normalization(&mut self, config: NormConfig, inputs: [&Value; 3]) -> Value {
        let epsilon = config.epsilon as f32;
        // `stash_type` 1: mean and variance in float32.
        let attributes =
            [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(epsilon)), ("stash_type", Attribute::Int(1))];
        self.graph.op_with("LayerNormalization", &inputs, &attributes)
    }

    /// An activation function, in the graph's type.
    pub(super) fn activation(&mut self, function: Activation, x: &Value) -> Value {
        self.activate(function, x, false)
    }

    /// An activation function of float32, whatever the precision.
    pub(super) fn activation_f32(&mut self, function: Activation, x: &Value) -> Value {
        self.activate(function, x, true)
    }

    /// GELUs have the shape that ONNX Runtime's fusions look for.
    fn activate(&mut self, function: Activation, x: &Value, single: bool) -> Value {
        let graph = &mut self.graph;
        let scalar = |graph: &mut Graph, value| {
            if single { graph.scalar_f32(value) } else { graph.scalar(value) }
        };
        match function {
            Activation::Gelu => {
                let [root, one, half] = [SQRT_2, 1.0, 0.5].map(|value| scalar(graph, value));
                let scaled = graph.op("Div", &[x, &root]);
                let erf = graph.op("Erf", &[&scaled]);
                let sum = graph.add(&erf, &one);
                let product = graph.mul(x, &sum);
                graph.mul(&product, &half)
            }
            Activation::GeluTanh => {
                let constants = [3.0, 0.044_715, FRAC_2_SQRT_PI * FRAC_1_SQRT_2, 1.0, 0.5];
                let [three, share, root, one, half] = constants.map(|value| scalar(graph, value));
                let cube = graph.op("Pow", &[x, &three]);
                let cube = graph.mul(&cube, &share);
                let sum = graph.add(x, &cube);
                let scaled = graph.mul(&sum, &root);
                let tanh = graph.op("Tanh", &[&scaled]);
                let sum = graph.add(&tanh, &one);
                let halved = graph.mul(x, &half);
                graph.mul(&halved, &sum)
            }
            Activation::Relu => graph.op("Relu", &[x]),
            Activation::Silu => {
                let sigmoid = graph.op("Sigmoid", &[x]);
                graph.mul(x, &sigmoid)
            }
            Activation::Tanh => graph.op("Tanh", &[x]),
        }
    }
}
