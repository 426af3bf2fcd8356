//! Rotary position embeddings ([arXiv 2104.09864](https://arxiv.org/abs/2104.09864)).

use firebrand_arch::distances::frequencies;

use crate::graph::{Attribute, Data, Graph, Value};
use crate::proto::DataType;

/// The rotation of each position: cosines and sines, `[length, size]`.
#[derive(Debug)]
pub(super) struct Rotation {
    cosine: Value,
    sine: Value,
}

impl Graph {
    /// With wavelengths of this base, for heads of `size` elements.
    pub(super) fn rotation(&mut self, theta: f64, size: usize, ids: &Value) -> Rotation {
        let [cosine, sine] = self.shared(format!("rotation {theta}"), |graph| {
            let range = graph.range(ids);
            let range = graph.cast(&range, DataType::Float32);
            let positions = graph.unsqueeze(&range, &[1]);
            let half = frequencies(theta as f32, size);
            let frequencies = Data::F32(half.clone().chain(half).collect());
            let frequencies = graph.constant(&format!("rotary.{theta}.frequencies"), &[1, size], frequencies);
            let angles = graph.mul(&positions, &frequencies);
            ["Cos", "Sin"].map(|wave| {
                let values = graph.op(wave, &[&angles]);
                graph.narrow(&values)
            })
        });
        Rotation { cosine, sine }
    }

    /// Rotates each pair of a head's elements, one in its first half and one in its second: `[batch, heads, length, size]`.
    pub(super) fn rotate(&mut self, rotation: &Rotation, x: &Value) -> Value {
        let [first, second] = self.node("Split", &[x], &[("axis", Attribute::Int(-1))]);
        let negated = self.op("Neg", &[&second]);
        let turned = self.op_with("Concat", &[&negated, &first], &[("axis", Attribute::Int(-1))]);
        let along = self.mul(x, &rotation.cosine);
        let across = self.mul(&turned, &rotation.sine);
        self.add(&along, &across)
    }
}
