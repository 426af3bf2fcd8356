//! A graph that is built node by node: names, constants, nodes in the order in which they are computed.

use std::collections::HashMap;
use std::fmt::Display;

use half::f16;

use crate::Precision;
use crate::proto::{
    AttributeProto, AttributeType, DataType, DimensionProto, GraphProto, NodeProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};

/// The name of a value: an input, a constant, or a node's output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Value(String);

/// A constant.
#[derive(Debug)]
pub(crate) struct Initializer {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

/// A constant's elements, row-major.
#[derive(Debug)]
pub(crate) enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    I8(Vec<i8>),
    I64(Vec<i64>),
}

/// A node's attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(&'a [i64]),
}

/// A graph under construction. Values of floating point have the type of its precision, except where a method says float32.
#[derive(Debug)]
pub(crate) struct Graph {
    precision: Precision,
    nodes: Vec<NodeProto>,
    initializers: Vec<Initializer>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    /// The prefix of the names of nodes.
    scope: String,
    /// How many nodes of a scope and operator there are.
    counts: HashMap<String, usize>,
    /// Values that are computed once, by what they are.
    shared: HashMap<String, Vec<Value>>,
}

/// `INT64_MAX`, with which `Slice` goes to the end of an axis.
const TO_THE_END: i64 = i64::MAX;

impl Value {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl Data {
    pub(crate) fn kind(&self) -> DataType {
        match self {
            Self::F32(_) => DataType::Float32,
            Self::F16(_) => DataType::Float16,
            Self::I8(_) => DataType::Int8,
            Self::I64(_) => DataType::Int64,
        }
    }

    /// Number of bytes in a file.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::F32(values) => 4 * values.len(),
            Self::F16(values) => 2 * values.len(),
            Self::I8(values) => values.len(),
            Self::I64(values) => 8 * values.len(),
        }
    }

    /// As they are in a file: little-endian.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::F16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::I8(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
}

impl Graph {
    pub(crate) fn new(precision: Precision) -> Self {
        Self {
            precision,
            nodes: Vec::new(),
            initializers: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            scope: String::new(),
            counts: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// Names the nodes that follow.
    pub(crate) fn enter(&mut self, scope: impl Display) {
        self.scope = scope.to_string();
    }

    /// An input of int64; dimensions are named.
    pub(crate) fn input(&mut self, name: &str, shape: &[&str]) -> Value {
        let shape = shape.iter().map(|&name| named(name)).collect();
        self.inputs.push(value_info(name, DataType::Int64, shape));
        Value(name.to_owned())
    }

    /// Makes a float32 value, `[batch_size, columns]`, that no node reads, the output of this name.
    pub(crate) fn output(&mut self, name: &str, value: &Value, columns: usize) {
        let shape = vec![named("batch_size"), fixed(columns)];
        self.outputs.push(value_info(name, DataType::Float32, shape));
        let outputs = self.nodes.iter_mut().rev().flat_map(|node| &mut node.output);
        for output in outputs.filter(|output| **output == value.0) {
            name.clone_into(output);
        }
    }

    /// A node with one output.
    pub(crate) fn op(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.op_with(operator, inputs, &[])
    }

    /// The same, with attributes.
    pub(crate) fn op_with(&mut self, operator: &str, inputs: &[&Value], attributes: &[(&str, Attribute<'_>)]) -> Value {
        let [output] = self.node(operator, inputs, attributes);
        output
    }

    /// A node with several outputs.
    pub(crate) fn node<const OUTPUTS: usize>(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> [Value; OUTPUTS] {
        let kind = format!("{}/{operator}", self.scope);
        let count = self.counts.entry(kind.clone()).or_default();
        let name = if *count == 0 { kind } else { format!("{kind}_{count}") };
        *count += 1;
        let outputs = std::array::from_fn(|index| Value(format!("{name}_output_{index}")));
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|input| input.0.clone()).collect(),
            output: outputs.iter().map(|output: &Value| output.0.clone()).collect(),
            name,
            op_type: operator.to_owned(),
            attribute: attributes.iter().map(|&(name, value)| attribute(name, value)).collect(),
        });
        outputs
    }

    /// Values that are made once and shared by everything that asks for them by this name.
    pub(crate) fn shared<const COUNT: usize>(
        &mut self,
        name: impl Into<String>,
        make: impl FnOnce(&mut Self) -> [Value; COUNT],
    ) -> [Value; COUNT] {
        let name = name.into();
        if let Some(known) = self.known(&name) {
            return known;
        }
        let values = make(self);
        self.remember(name, values.clone());
        values
    }

    /// The values that were [remembered](Self::remember) by this name.
    pub(crate) fn known<const COUNT: usize>(&self, name: &str) -> Option<[Value; COUNT]> {
        self.shared.get(name)?.clone().try_into().ok()
    }

    /// Keeps values that others may share, by what they are.
    pub(crate) fn remember<const COUNT: usize>(&mut self, name: impl Into<String>, values: [Value; COUNT]) {
        self.shared.insert(name.into(), values.to_vec());
    }

    /// A constant of this name, which must be new.
    pub(crate) fn constant(&mut self, name: &str, shape: &[usize], data: Data) -> Value {
        self.initializers.push(Initializer { name: name.to_owned(), shape: shape.to_vec(), data });
        Value(name.to_owned())
    }

    /// The element type of the graph's values of floating point.
    pub(crate) fn float(&self) -> DataType {
        match self.precision {
            Precision::Fp16 => DataType::Float16,
            Precision::Fp32 | Precision::Int8 => DataType::Float32,
        }
    }

    /// A scalar in the graph's type.
    pub(crate) fn scalar(&mut self, value: f32) -> Value {
        match self.float() {
            DataType::Float16 => {
                let [scalar] = self.shared(format!("float16 {value:e}"), |graph| {
                    let data = Data::F16(vec![f16::from_f32(value)]);
                    [graph.constant(&format!("scalar.float16.{value:e}"), &[], data)]
                });
                scalar
            }
            _ => self.scalar_f32(value),
        }
    }

    /// A scalar of float32.
    pub(crate) fn scalar_f32(&mut self, value: f32) -> Value {
        let [scalar] = self.shared(format!("float32 {value:e}"), |graph| {
            [graph.constant(&format!("scalar.float32.{value:e}"), &[], Data::F32(vec![value]))]
        });
        scalar
    }

    /// A scalar of int64.
    pub(crate) fn int(&mut self, value: i64) -> Value {
        let [scalar] = self.shared(format!("int64 {value}"), |graph| {
            [graph.constant(&format!("scalar.int64.{value}"), &[], Data::I64(vec![value]))]
        });
        scalar
    }

    /// A vector of int64: axes, a shape, an index.
    pub(crate) fn ints(&mut self, values: &[i64]) -> Value {
        let text = values.iter().map(i64::to_string).collect::<Vec<_>>().join("_");
        let [vector] = self.shared(format!("int64 [{text}]"), |graph| {
            [graph.constant(&format!("vector.int64.{text}"), &[values.len()], Data::I64(values.to_vec()))]
        });
        vector
    }

    pub(crate) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Add", &[a, b])
    }

    pub(crate) fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Sub", &[a, b])
    }

    pub(crate) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Mul", &[a, b])
    }

    pub(crate) fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("MatMul", &[a, b])
    }

    pub(crate) fn cast(&mut self, value: &Value, to: DataType) -> Value {
        self.op_with("Cast", &[value], &[("to", Attribute::Int(to as i64))])
    }

    /// Casts to bool.
    pub(crate) fn cast_bool(&mut self, value: &Value) -> Value {
        const BOOL: i64 = 9;
        self.op_with("Cast", &[value], &[("to", Attribute::Int(BOOL))])
    }

    /// A float32 value in the graph's type.
    pub(crate) fn narrow(&mut self, value: &Value) -> Value {
        if self.float() == DataType::Float32 { value.clone() } else { self.cast(value, self.float()) }
    }

    /// A value of the graph's type as float32.
    pub(crate) fn widen(&mut self, value: &Value) -> Value {
        if self.float() == DataType::Float32 { value.clone() } else { self.cast(value, DataType::Float32) }
    }

    pub(crate) fn reshape(&mut self, value: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.op("Reshape", &[value, &shape])
    }

    pub(crate) fn transpose(&mut self, value: &Value, order: &[i64]) -> Value {
        self.op_with("Transpose", &[value], &[("perm", Attribute::Ints(order))])
    }

    pub(crate) fn unsqueeze(&mut self, value: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(axes);
        self.op("Unsqueeze", &[value, &axes])
    }

    pub(crate) fn gather(&mut self, table: &Value, indices: &Value, axis: i64) -> Value {
        self.op_with("Gather", &[table, indices], &[("axis", Attribute::Int(axis))])
    }

    /// Elements along an axis, from `start` to `end` (one-element vectors), or to the end of the axis.
    pub(crate) fn slice(&mut self, value: &Value, axis: i64, start: &Value, end: Option<&Value>) -> Value {
        let end = end.cloned().unwrap_or_else(|| self.ints(&[TO_THE_END]));
        let axis = self.ints(&[axis]);
        self.op("Slice", &[value, start, &end, &axis])
    }

    /// The finished graph, and its constants, which it does not hold yet.
    pub(crate) fn finish(self, name: &str) -> (GraphProto, Vec<Initializer>) {
        let Self { nodes, initializers, inputs, outputs, .. } = self;
        let graph =
            GraphProto { node: nodes, name: name.to_owned(), initializer: Vec::new(), input: inputs, output: outputs };
        (graph, initializers)
    }
}

fn attribute(name: &str, value: Attribute<'_>) -> AttributeProto {
    let (name, empty) = (name.to_owned(), AttributeProto::default());
    match value {
        Attribute::Float(f) => AttributeProto { name, f: Some(f), r#type: AttributeType::Float as i32, ..empty },
        Attribute::Int(i) => AttributeProto { name, i: Some(i), r#type: AttributeType::Int as i32, ..empty },
        Attribute::Ints(ints) => {
            AttributeProto { name, ints: ints.to_vec(), r#type: AttributeType::Ints as i32, ..empty }
        }
    }
}

fn named(name: &str) -> DimensionProto {
    DimensionProto { dim_value: None, dim_param: Some(name.to_owned()) }
}

fn fixed(size: usize) -> DimensionProto {
    DimensionProto { dim_value: Some(size as i64), dim_param: None }
}

fn value_info(name: &str, kind: DataType, dim: Vec<DimensionProto>) -> ValueInfoProto {
    let tensor_type = TensorTypeProto { elem_type: kind as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}
