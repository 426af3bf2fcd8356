//! XLNet's attention: contents compared with fixed waves for distances, and with segments
//! ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860), [arXiv 1906.08237](https://arxiv.org/abs/1906.08237)).

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_kernels::fused::{matmul, single};

use super::{Distances, distances, split_heads};
use crate::{Linear, ModelError, ParameterSource};

/// What a layer compares with distances and segments.
#[derive(Module, Debug)]
pub struct TransformerXl {
    /// `[hidden, hidden]`, of the waves.
    pub distance: Linear,
    /// `[heads, size]`, added to queries that are compared with keys.
    pub content_bias: Param<Tensor<2>>,
    /// `[heads, size]`, added to queries that are compared with distances.
    pub distance_bias: Param<Tensor<2>>,
    /// `[heads, size]`, added to queries that are compared with segments.
    pub segment_bias: Param<Tensor<2>>,
    /// `[2, heads, size]`: the key is in the same segment, or in another.
    pub segment: Param<Tensor<3>>,
    #[module(skip)]
    heads: usize,
}

impl TransformerXl {
    pub(super) fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        heads: usize,
    ) -> Result<Self, ModelError> {
        let size = hidden / heads;
        let mut bias = |name: &str| source.take(&format!("{path}.{name}"), [heads, size]);
        let [content_bias, distance_bias, segment_bias] =
            [bias("content_bias")?, bias("distance_bias")?, bias("segment_bias")?];
        Ok(Self {
            distance: Linear::new(source, &format!("{path}.distance"), hidden, hidden, false)?,
            content_bias,
            distance_bias,
            segment_bias,
            segment: source.take(&format!("{path}.segment"), [2, heads, size])?,
            heads,
        })
    }

    /// # Shapes
    /// - `query` and `key`: `[rows, heads, length, size]`
    /// - `other_segment`: `[rows, 1, length, length]`, 1 where query and key are in different segments
    /// - output: `[rows, heads, length, length]`
    pub(super) fn scores(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        distances: &Distances,
        other_segment: Option<&Tensor<4>>,
    ) -> Tensor<4> {
        let [_, heads, _, size] = query.dims();
        let biased = |bias: &Param<Tensor<2>>| single(query.clone()) + bias.val().reshape([1, heads, 1, size]);
        let content = matmul(biased(&self.content_bias), key.transpose());
        // The waves had their dropout when they were made, once for all layers.
        let waves = split_heads(self.distance.forward(distances.vectors(&mut None)), self.heads);
        let scores =
            single(content) + single(distances::by_key(matmul(biased(&self.distance_bias), waves.transpose())));
        let Some(other_segment) = other_segment else { return scores };
        // `[1, heads, size, 2]`.
        let segments = self.segment.val().permute([1, 2, 0]).unsqueeze::<4>();
        let by_segment = single(matmul(biased(&self.segment_bias), segments));
        let [rows, _, length, _] = by_segment.dims();
        let column = |index: usize| by_segment.clone().slice([0..rows, 0..heads, 0..length, index..index + 1]);
        let (same, other) = (column(0), column(1));
        scores + same.clone() + (other - same) * other_segment.clone()
    }
}
