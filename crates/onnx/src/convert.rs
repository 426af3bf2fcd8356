//! From a parameter's float32 to the constants of a precision.
//!
//! **fp16.** Weights, tables and everything between them are half precision. Single precision stay: the statistics of layer norms
//! (`stash_type`), sines and cosines, which lose far positions in half precision, and the head from pooling on, which is small
//! and decides. A weight that half precision cannot hold is an error. Engines sum matrix products and softmax in single precision
//! as they see fit.
//!
//! **int8.** Weights of linear layers and the token embeddings are those of [`firebrand_arch`]'s int8 checkpoints, one scale for
//! each output or token; the output layer, like there, stays float32. An activation is quantised as it comes
//! (`DynamicQuantizeLinear`, `MatMulInteger`, then a product of both scales), because a pair of `QuantizeLinear` and
//! `DequantizeLinear` would need ranges that only calibration data tells, and without them would make the file smaller but
//! compute in float32. This is also the form that ONNX Runtime's own quantiser writes, so that its fusions know it.

use firebrand_arch::Int8Matrix;
use firebrand_pipeline::{Error, Result};
use half::f16;

use crate::graph::{Data, Graph, Value};
use crate::proto::DataType;

/// A constant of floats in the graph's type.
///
/// # Errors
/// When a value is too large for half precision.
pub(crate) fn floats(graph: &mut Graph, name: &str, shape: &[usize], values: Vec<f32>) -> Result<Value> {
    let data = match graph.float() {
        DataType::Float16 => Data::F16(to_f16(name, &values)?),
        _ => Data::F32(values),
    };
    Ok(graph.constant(name, shape, data))
}

fn to_f16(name: &str, values: &[f32]) -> Result<Vec<f16>> {
    let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
    match halves.iter().zip(values).find(|(half, _)| !half.is_finite()) {
        None => Ok(halves),
        Some((_, value)) => {
            let limit = f16::MAX;
            Err(Error::data(format!("`{name}` holds {value}, but fp16 ends at {limit}"))
                .hint("write this model in fp32 or int8: `--precision fp32 --precision int8`"))
        }
    }
}

/// The constants of a quantised linear layer: its weights, `[inputs, outputs]`, and their scales, `[outputs]`.
pub(crate) fn int8_weight(graph: &mut Graph, name: &str, matrix: Int8Matrix, inputs: usize) -> [Value; 2] {
    let Int8Matrix { values, scales } = matrix;
    let outputs = scales.len();
    let transposed = (0..inputs).flat_map(|input| values.iter().skip(input).step_by(inputs.max(1)).copied()).collect();
    let weight = graph.constant(&format!("{name}.int8"), &[inputs, outputs], Data::I8(transposed));
    let scales = graph.constant(&format!("{name}.scale"), &[outputs], Data::F32(scales));
    [weight, scales]
}

/// The constants of a quantised table: its rows, `[rows, size]`, and their scales, `[rows, 1]`.
pub(crate) fn int8_table(graph: &mut Graph, name: &str, matrix: Int8Matrix, size: usize) -> [Value; 2] {
    let Int8Matrix { values, scales } = matrix;
    let rows = scales.len();
    let table = graph.constant(&format!("{name}.int8"), &[rows, size], Data::I8(values));
    let scales = graph.constant(&format!("{name}.scale"), &[rows, 1], Data::F32(scales));
    [table, scales]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;

    #[test]
    fn a_weight_that_half_precision_cannot_hold_is_refused() {
        let mut graph = Graph::new(Precision::Fp16);
        floats(&mut graph, "fits", &[2], vec![65_504.0, -1e-9]).unwrap();
        let error = floats(&mut graph, "encoder.x", &[2], vec![1.0, 7e4]).unwrap_err().render();
        assert!(error.contains("`encoder.x` holds 70000") && error.contains("hint: "), "{error}");
    }

    #[test]
    fn int8_weights_have_a_column_for_each_output() {
        let mut graph = Graph::new(Precision::Int8);
        let matrix = Int8Matrix { values: vec![1, 2, 3, 4, 5, 6], scales: vec![0.5, 2.0] };
        let _ = int8_weight(&mut graph, "w", matrix, 3);
        let (_, constants) = graph.finish("g");
        assert_eq!(constants[0].shape, [3, 2]);
        assert_eq!(constants[0].data.bytes(), [1, 4, 2, 5, 3, 6]);
        assert_eq!(constants[1].shape, [2]);
    }
}
