//! Scores that depend on the distance between two tokens.
//!
//! What depends on a distance is computed once for each of a row's distances, query minus key, listed from `length` down to
//! `1 - length`, and then spread over the pairs ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860), appendix B). The list has one
//! distance more than there are, so that a row of one token needs no special case.
//!
//! Which learned row a distance has is a table in the file, up to the distance from which on all are the same: so the rounding of
//! logarithms is that of training, whatever the engine.

use firebrand_arch::distances::{SINUSOID_BASE, bucket_of_32, frequencies};
use firebrand_arch::{AttentionConfig, DisentangledConfig, NormConfig, Relative};
use firebrand_pipeline::{Error, Result};

use super::{Builder, Inputs};
use crate::graph::{Attribute, Data, Graph, Value};
use crate::proto::DataType;

/// What all layers compare distances by.
#[derive(Debug)]
pub(super) enum Distances {
    Disentangled(DistanceRows),
    TransformerXl(DistanceVectors),
}

/// DeBERTa's learned rows.
#[derive(Debug)]
pub(super) struct DistanceRows {
    /// The row in the table of each distance in the list.
    pub(super) listed: Value,
    /// The same for the distances with opposite signs.
    pub(super) reversed: Value,
    /// The row length, as a vector of one number.
    pub(super) length: Value,
    /// The table, normalised: `[rows, hidden]`.
    pub(super) table: Vec<f32>,
}

/// Transformer-XL's fixed vectors, and XLNet's segments.
#[derive(Debug)]
pub(super) struct DistanceVectors {
    /// The sinusoidal vector of each distance in the list: `[2 · length, hidden]`.
    pub(super) vectors: Value,
    /// Whether two tokens are in the same segment: `[batch, 1, length, length]`.
    pub(super) same_segment: Value,
    /// The row length, as a vector of one number.
    pub(super) length: Value,
}

/// The distance from which on all are the same in MPNet's ranges.
const FURTHEST_OF_32: i64 = 128;

/// Distances in the file's table at most: more than any model tells apart.
const MOST_DISTANCES: i64 = 1 << 20;

impl Builder<'_> {
    /// A bias for each head and pair of tokens: `[1, heads, length, length]`.
    pub(super) fn bucketed_bias(&mut self, rows: usize, heads: usize, ids: &Value) -> Result<Value> {
        let path = "encoder.distance_bias";
        let count = 2 * FURTHEST_OF_32 as usize + 1;
        let by_distance = self.shared_constant(&format!("{path}.by_distance"), &[heads, count], |source| {
            let table = source.floats(path, &[rows, heads])?;
            let buckets = || (-FURTHEST_OF_32..=FURTHEST_OF_32).map(|distance| bucket_of_32(distance) as usize);
            let pairs = (0..heads).flat_map(|head| buckets().map(move |bucket| (bucket, head)));
            Ok(pairs.map(|(bucket, head)| table[bucket * heads + head]).collect())
        })?;
        let graph = &mut self.graph;
        let distances = graph.pair_distances(ids);
        let indices = graph.indices(&distances, FURTHEST_OF_32);
        let bias = graph.gather(&by_distance, &indices, 1);
        Ok(graph.unsqueeze(&bias, &[0]))
    }

    /// What all layers compare distances by, if they do.
    pub(super) fn distances(
        &mut self,
        config: &AttentionConfig,
        hidden: usize,
        inputs: &Inputs,
    ) -> Result<Option<Distances>> {
        match &config.relative {
            Relative::None | Relative::Rotary { .. } | Relative::Bucketed { .. } => Ok(None),
            Relative::Disentangled(relative) => self.disentangled(relative, hidden, &inputs.ids).map(Some),
            Relative::TransformerXl { furthest, .. } => {
                let graph = &mut self.graph;
                let vectors = graph.sinusoids(*furthest, hidden, &inputs.ids);
                // Without segments all tokens are in the same one, as are those whose mask is compared with itself.
                let segments = inputs.type_ids.as_ref().unwrap_or(&inputs.mask);
                let queries = graph.unsqueeze(segments, &[1, 3]);
                let keys = graph.unsqueeze(segments, &[1, 2]);
                let same_segment = graph.op("Equal", &[&queries, &keys]);
                Ok(Some(Distances::TransformerXl(DistanceVectors {
                    vectors,
                    same_segment,
                    length: graph.length(&inputs.ids),
                })))
            }
        }
    }

    fn disentangled(&mut self, config: &DisentangledConfig, hidden: usize, ids: &Value) -> Result<Distances> {
        let furthest = furthest(config)?;
        let rows: Vec<i64> = (-furthest..=furthest).map(|distance| config.row(distance)).collect();
        let graph = &mut self.graph;
        let by_distance = graph.constant("encoder.distances.rows", &[rows.len()], Data::I64(rows));
        let [listed, reversed] = [false, true].map(|is_reversed| {
            let listed = graph.listed_distances(ids, is_reversed);
            let indices = graph.indices(&listed, furthest);
            graph.gather(&by_distance, &indices, 0)
        });
        let mut table = self.source.floats("encoder.distances.weight", &[2 * config.span(), hidden])?;
        if let Some(norm) = config.norm {
            let parameter = |name: &str| self.source.floats(&format!("encoder.distances.norm.{name}"), &[hidden]);
            let bias = norm.bias.then(|| parameter("bias")).transpose()?;
            normalise(&mut table, norm, &parameter("weight")?, bias.as_deref());
        }
        let length = self.graph.length(ids);
        Ok(Distances::Disentangled(DistanceRows { listed, reversed, length, table }))
    }
}

/// The distance from which on, in both directions, all have the same row.
fn furthest(config: &DisentangledConfig) -> Result<i64> {
    let last = 2 * config.span() as i64 - 1;
    let settled = |distance: &i64| config.row(*distance) == last && config.row(-distance) == 0;
    (1..MOST_DISTANCES).find(settled).ok_or_else(|| {
        Error::data(format!(
            "the model tells apart distances beyond {MOST_DISTANCES} tokens (`position_buckets`, `max_relative_positions`)"
        ))
        .hint("such a model cannot be written as ONNX")
    })
}

/// Layer norm of each row.
fn normalise(rows: &mut [f32], config: NormConfig, weight: &[f32], bias: Option<&[f32]>) {
    for row in rows.chunks_exact_mut(weight.len().max(1)) {
        let count = row.len() as f64;
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        let factor = 1.0 / (variance + config.epsilon).sqrt();
        for (place, (x, &weight)) in row.iter_mut().zip(weight).enumerate() {
            let bias = bias.map_or(0.0, |bias| f64::from(bias[place]));
            *x = ((f64::from(*x) - mean) * factor * f64::from(weight) + bias) as f32;
        }
    }
}

impl Graph {
    /// A row's distances, in this module's order, or with the opposite signs: `[2 · length]`.
    fn listed_distances(&mut self, ids: &Value, reversed: bool) -> Value {
        let length = self.length_scalar(ids);
        let negated = self.op("Neg", &[&length]);
        let (from, to, step) = if reversed { (negated, length, 1) } else { (length, negated, -1) };
        let step = self.int(step);
        self.op("Range", &[&from, &to, &step])
    }

    /// Indices into a table of the distances from `-furthest` to `furthest`.
    fn indices(&mut self, distances: &Value, furthest: i64) -> Value {
        let (low, high) = (self.int(-furthest), self.int(furthest));
        let near = self.op("Max", &[distances, &low]);
        let near = self.op("Min", &[&near, &high]);
        self.add(&near, &high)
    }

    /// The sinusoidal vector of each distance in the list, half of it sines: `[2 · length, size]`.
    fn sinusoids(&mut self, furthest: Option<usize>, size: usize, ids: &Value) -> Value {
        let mut listed = self.listed_distances(ids, false);
        if let Some(furthest) = furthest {
            let furthest = i64::try_from(furthest).unwrap_or(i64::MAX);
            let (low, high) = (self.int(-furthest), self.int(furthest));
            listed = self.op("Max", &[&listed, &low]);
            listed = self.op("Min", &[&listed, &high]);
        }
        let distances = self.cast(&listed, DataType::Float32);
        let distances = self.unsqueeze(&distances, &[1]);
        let frequencies = Data::F32(frequencies(SINUSOID_BASE, size).collect());
        let frequencies = self.constant("sinusoids.frequencies", &[1, size / 2], frequencies);
        let angles = self.mul(&distances, &frequencies);
        let (sines, cosines) = (self.op("Sin", &[&angles]), self.op("Cos", &[&angles]));
        let vectors = self.op_with("Concat", &[&sines, &cosines], &[("axis", Attribute::Int(-1))]);
        self.narrow(&vectors)
    }

    /// Turns scores by distance into scores by key: the same elements, read as rows that are one shorter, are shifted by one in
    /// each row.
    ///
    /// # Shapes
    /// - `scores`: `[batch, heads, length, 2 · length]`, for each query, by distance
    /// - `length`: one number
    /// - output: `[batch, heads, length, length]`, for each query, by key
    pub(super) fn by_key(&mut self, scores: &Value, heads: usize, length: &Value) -> Value {
        let [shape] = self.shared("shape of shifted scores", |graph| {
            let first = graph.ints(&[0, heads as i64]);
            let last = graph.ints(&[-1]);
            [graph.op_with("Concat", &[&first, length, &last], &[("axis", Attribute::Int(0))])]
        });
        let flat = self.reshape(scores, &[0, heads as i64, -1]);
        let shifted = self.slice(&flat, 2, length, None);
        let rows = self.op("Reshape", &[&shifted, &shape]);
        let start = self.ints(&[0]);
        self.slice(&rows, 3, &start, Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(buckets: Option<usize>, furthest: usize) -> DisentangledConfig {
        DisentangledConfig {
            content_to_position: true,
            position_to_content: true,
            shared_maps: true,
            buckets,
            furthest,
            norm: None,
            dropout: 0.0,
        }
    }

    #[test]
    fn beyond_the_table_of_distances_nothing_changes() {
        // With an odd number of buckets the logarithm goes on beyond the nominal end.
        for (buckets, expected) in [(Some(256), 512..513), (None, 512..513), (Some(7), 6000..7000)] {
            let config = config(buckets, 512);
            let furthest = furthest(&config).unwrap();
            assert!(expected.contains(&furthest), "{buckets:?}: {furthest}");
            for beyond in [1, 2, 100, 1_000_000] {
                assert_eq!(config.row(furthest + beyond), config.row(furthest));
                assert_eq!(config.row(-furthest - beyond), config.row(-furthest));
            }
        }
        let error = furthest(&config(None, 5_000_000)).unwrap_err().render();
        assert!(error.contains("1048576") && error.contains("hint: "), "{error}");
    }

    #[test]
    fn in_mpnet_too() {
        assert_eq!(bucket_of_32(FURTHEST_OF_32), bucket_of_32(i64::from(i32::MAX)));
        assert_eq!(bucket_of_32(-FURTHEST_OF_32), bucket_of_32(-i64::from(i32::MAX)));
    }

    #[test]
    fn rows_are_normalised_as_layer_norm_does() {
        let mut rows = [1.0, 3.0, 10.0, 10.0];
        let norm = NormConfig { epsilon: 0.0, bias: true };
        normalise(&mut rows[..2], norm, &[2.0, 3.0], Some(&[0.5, 0.0]));
        normalise(&mut rows[2..], NormConfig { epsilon: 1e-5, bias: false }, &[2.0, 3.0], None);
        assert_eq!(rows, [-1.5, 3.0, 0.0, 0.0]);
    }
}
