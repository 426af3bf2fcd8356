//! Multi-head attention ([arXiv 1706.03762](https://arxiv.org/abs/1706.03762)) of every kind.
//!
//! Plain attention has the shape that ONNX Runtime's fusion looks for: scores are divided, not queries multiplied. The other
//! kinds scale the queries, which keeps scores within half precision.

use firebrand_arch::{AttentionConfig, DisentangledConfig, Relative};
use firebrand_pipeline::Result;

use super::linear::Linear;
use super::masks::View;
use super::relative::{DistanceRows, DistanceVectors, Distances};
use super::{Builder, Context};
use crate::graph::{Attribute, Value};

/// A layer's attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention<'a> {
    pub(super) path: &'a str,
    pub(super) config: &'a AttentionConfig,
    pub(super) hidden: usize,
}

impl Attention<'_> {
    fn size(&self) -> usize {
        self.hidden / self.config.heads
    }

    fn heads(&self) -> usize {
        self.config.heads
    }

    fn linear<'a>(&self, path: &'a str, bias: bool) -> Linear<'a> {
        Linear { path, inputs: self.hidden, outputs: self.hidden, bias }
    }

    /// The factor of the scores.
    fn scale(&self) -> f32 {
        let terms = match &self.config.relative {
            Relative::Disentangled(config) => {
                1 + usize::from(config.content_to_position) + usize::from(config.position_to_content)
            }
            _ => 1,
        };
        (1.0 / ((self.size() * terms) as f64).sqrt()) as f32
    }
}

impl Builder<'_> {
    /// The attention output of all tokens: `[batch, length, hidden]`, as `x`. `layer` is the layer's index.
    pub(super) fn attention(
        &mut self,
        own: Attention<'_>,
        layer: usize,
        context: &Context,
        x: &Value,
    ) -> Result<Value> {
        let view = context.view(own.config, layer);
        let mut project = |name: &str| {
            let path = format!("{}.{name}", own.path);
            let rows = self.linear(own.linear(&path, own.config.bias), x)?;
            Ok::<_, firebrand_pipeline::Error>(
                self.graph.reshape(&rows, &[0, 0, own.heads() as i64, own.size() as i64]),
            )
        };
        let (query, key, value) = (project("query")?, project("key")?, project("value")?);
        let query = self.graph.transpose(&query, &[0, 2, 1, 3]);
        let scores = match (&own.config.relative, &context.distances) {
            (Relative::Disentangled(relative), Some(Distances::Disentangled(rows))) => {
                self.disentangled_scores(own, relative, rows, &query, &key)?
            }
            (Relative::TransformerXl { .. }, Some(Distances::TransformerXl(vectors))) => {
                self.transformer_xl_scores(own, vectors, &query, &key)?
            }
            _ => self.plain_scores(own, view, query, &key),
        };
        let graph = &mut self.graph;
        let scores = graph.add(&scores, &view.bias);
        let weights = graph.op_with("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let value = graph.transpose(&value, &[0, 2, 1, 3]);
        let attended = graph.matmul(&weights, &value);
        let attended = graph.transpose(&attended, &[0, 2, 1, 3]);
        let attended = graph.reshape(&attended, &[0, 0, own.hidden as i64]);
        let path = format!("{}.output", own.path);
        self.linear(own.linear(&path, own.config.bias), &attended)
    }
}

/// Scores of queries, `[batch, heads, length, size]`, and keys, `[batch, length, heads, size]`: `[batch, heads, length, length]`.
impl Builder<'_> {
    /// Contents with contents; positions, if they enter here, rotate both.
    fn plain_scores(&mut self, own: Attention<'_>, view: &View, query: Value, key: &Value) -> Value {
        let graph = &mut self.graph;
        let Some(rotation) = &view.rotation else {
            let keys = graph.transpose(key, &[0, 2, 3, 1]);
            let scores = graph.matmul(&query, &keys);
            let divisor = graph.scalar((own.size() as f64).sqrt() as f32);
            return graph.op("Div", &[&scores, &divisor]);
        };
        let key = graph.transpose(key, &[0, 2, 1, 3]);
        let [query, key] = [query, key].map(|x| graph.rotate(rotation, &x));
        let scale = graph.scalar(own.scale());
        let query = graph.mul(&query, &scale);
        let keys = graph.transpose(&key, &[0, 1, 3, 2]);
        graph.matmul(&query, &keys)
    }

    /// DeBERTa's ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654)): contents with contents and with distances.
    fn disentangled_scores(
        &mut self,
        own: Attention<'_>,
        config: &DisentangledConfig,
        rows: &DistanceRows,
        query: &Value,
        key: &Value,
    ) -> Result<Value> {
        let projection =
            |own_map: &'static str, shared: &'static str| if config.shared_maps { shared } else { own_map };
        let graph = &mut self.graph;
        let scale = graph.scalar(own.scale());
        let query = graph.mul(query, &scale);
        let keys = graph.transpose(key, &[0, 2, 3, 1]);
        let mut scores = graph.matmul(&query, &keys);
        if config.content_to_position {
            let table = self.projected(own, rows, projection("distance_key", "key"), 1.0)?;
            let graph = &mut self.graph;
            let vectors = graph.gather(&table, &rows.listed, 2);
            let by_distance = graph.matmul(&query, &vectors);
            let by_key = graph.by_key(&by_distance, own.heads(), &rows.length);
            scores = graph.add(&scores, &by_key);
        }
        if config.position_to_content {
            let table = self.projected(own, rows, projection("distance_query", "query"), own.scale())?;
            let graph = &mut self.graph;
            // From a key to a query, distances have the opposite sign, and pairs the opposite order.
            let vectors = graph.gather(&table, &rows.reversed, 2);
            let key = graph.transpose(key, &[0, 2, 1, 3]);
            let by_distance = graph.matmul(&key, &vectors);
            let by_query = graph.by_key(&by_distance, own.heads(), &rows.length);
            let by_key = graph.transpose(&by_query, &[0, 1, 3, 2]);
            scores = graph.add(&scores, &by_key);
        }
        Ok(scores)
    }

    /// The table of distances, projected for a layer and multiplied by a factor: `[heads, size, rows]`. It does not depend on the
    /// text, so it is a constant.
    fn projected(&mut self, own: Attention<'_>, rows: &DistanceRows, map: &str, factor: f32) -> Result<Value> {
        let Attention { path, hidden, .. } = own;
        let count = rows.table.len() / hidden.max(1);
        let kind = if factor == 1.0 { "keys" } else { "queries" };
        self.shared_constant(&format!("{path}.distance_{kind}"), &[own.heads(), own.size(), count], |source| {
            let weight = source.floats(&format!("{path}.{map}.weight"), &[hidden, hidden])?;
            let has_bias = own.config.bias || map.starts_with("distance");
            let bias = match has_bias {
                true => source.floats(&format!("{path}.{map}.bias"), &[hidden])?,
                false => vec![0.0; hidden],
            };
            Ok(project(&rows.table, &weight, &bias, factor))
        })
    }

    /// Transformer-XL's ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860)) with XLNet's segments
    /// ([arXiv 1906.08237](https://arxiv.org/abs/1906.08237)): contents with contents, distances and segments.
    fn transformer_xl_scores(
        &mut self,
        own: Attention<'_>,
        distances: &DistanceVectors,
        query: &Value,
        key: &Value,
    ) -> Result<Value> {
        let (heads, size) = (own.heads(), own.size());
        let scale = own.scale();
        let factor = self.graph.scalar(scale);
        let query = self.graph.mul(query, &factor);
        let mut biased = |name: &str| {
            let path = format!("{}.{name}", own.path);
            // Scaled as the queries are.
            let bias = self.shared_constant(&format!("{path}.scaled"), &[heads, 1, size], |source| {
                Ok(source.floats(&path, &[heads, size])?.into_iter().map(|bias| bias * scale).collect())
            })?;
            Ok::<_, firebrand_pipeline::Error>(self.graph.add(&query, &bias))
        };
        let [by_content, by_distance, by_segment] =
            [biased("content_bias")?, biased("distance_bias")?, biased("segment_bias")?];
        let keys = self.graph.transpose(key, &[0, 2, 3, 1]);
        let scores = self.graph.matmul(&by_content, &keys);

        let path = format!("{}.distance", own.path);
        let vectors = self.linear(own.linear(&path, false), &distances.vectors)?;
        let vectors = self.graph.reshape(&vectors, &[1, -1, heads as i64, size as i64]);
        let vectors = self.graph.transpose(&vectors, &[0, 2, 3, 1]);
        let by_distance = self.graph.matmul(&by_distance, &vectors);
        let by_distance = self.graph.by_key(&by_distance, heads, &distances.length);
        let scores = self.graph.add(&scores, &by_distance);

        let path = format!("{}.segment", own.path);
        let [same, other] = [("same", 0), ("other", 1)].map(|(name, index)| {
            let segment = self.shared_constant(&format!("{path}.{name}"), &[heads, size, 1], |source| {
                let both = source.floats(&path, &[2, heads, size])?;
                Ok(both[index * heads * size..][..heads * size].to_vec())
            })?;
            Ok::<_, firebrand_pipeline::Error>(self.graph.matmul(&by_segment, &segment))
        });
        let by_segment = self.graph.op("Where", &[&distances.same_segment, &same?, &other?]);
        Ok(self.graph.add(&scores, &by_segment))
    }
}

/// The projection of rows, `[rows, hidden]`, by a weight, `[hidden, hidden]`, and a bias, times a factor: transposed,
/// `[hidden, rows]`.
fn project(rows: &[f32], weight: &[f32], bias: &[f32], factor: f32) -> Vec<f32> {
    let hidden = bias.len().max(1);
    let count = rows.len() / hidden;
    let mut projected = vec![0.0; rows.len()];
    for (place, row) in rows.chunks_exact(hidden).enumerate() {
        let mut sums = bias.to_vec();
        for (x, weights) in row.iter().zip(weight.chunks_exact(hidden)) {
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * weight);
        }
        for (column, sum) in sums.into_iter().enumerate() {
            projected[column * count + place] = sum * factor;
        }
    }
    projected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_projected_and_transposed() {
        let projected = project(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1.0, 10.0, 100.0, 1000.0], &[0.5, 0.0], 2.0);
        assert_eq!(projected, [403.0, 807.0, 1211.0, 4020.0, 8060.0, 12100.0]);
    }
}
