//! Transformer-XL's attention ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860)) with XLNet's segments
//! ([arXiv 1906.08237](https://arxiv.org/abs/1906.08237)): contents are compared with contents, with sinusoidal vectors for
//! distances, and with whether two tokens are in the same segment.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_arch::{AttentionConfig, ModelError};
use firebrand_fused::{matmul, to_f32};

use super::{Distances, LayerContext, distances, padded_heads, projections, split_heads, weighted_values};
use crate::{Dropout, DropoutRng, Linear, ParameterSource};

/// Attention that compares contents with contents, distances and segments.
#[derive(Module, Debug)]
pub struct TransformerXlAttention {
    /// `[hidden, hidden]`.
    pub query: Linear,
    /// `[hidden, hidden]`.
    pub key: Linear,
    /// `[hidden, hidden]`.
    pub value: Linear,
    /// `[hidden, hidden]`, applied to the concatenated heads.
    pub output: Linear,
    /// `[hidden, hidden]`, applied to the sinusoidal vectors.
    pub distance: Linear,
    /// `[heads, size]`, added to queries that are compared with keys.
    pub content_bias: Param<Tensor<2>>,
    /// `[heads, size]`, added to queries that are compared with distances.
    pub distance_bias: Param<Tensor<2>>,
    /// `[heads, size]`, added to queries that are compared with segments.
    pub segment_bias: Param<Tensor<2>>,
    /// `[2, heads, size]`: for a key in the same segment, and in the other one.
    pub segment: Param<Tensor<3>>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    scale: f64,
    #[module(skip)]
    dropout: Dropout,
}

impl TransformerXlAttention {
    pub(super) fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &AttentionConfig,
    ) -> Result<Self, ModelError> {
        let [query, key, value, output] = projections(source, path, hidden, config)?;
        let (heads, size) = (config.heads, hidden / config.heads);
        let mut bias = |name: &str| source.take(&format!("{path}.{name}"), [heads, size]);
        let [content_bias, distance_bias, segment_bias] =
            [bias("content_bias")?, bias("distance_bias")?, bias("segment_bias")?];
        Ok(Self {
            query,
            key,
            value,
            output,
            distance: Linear::new(source, &format!("{path}.distance"), hidden, hidden, false)?,
            content_bias,
            distance_bias,
            segment_bias,
            segment: source.take(&format!("{path}.segment"), [2, heads, size])?,
            heads,
            scale: 1.0 / (size as f64).sqrt(),
            dropout: Dropout { probability: config.dropout },
        })
    }

    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        context: &LayerContext<'_>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        let [query, key, value] = padded_heads(&x, [&self.query, &self.key, &self.value], self.heads, context);
        let mut scores = to_f32(matmul(self.biased(&query, &self.content_bias), key.transpose()));
        if let Some(distances) = context.distances {
            scores = scores + self.distance_scores(&query, distances);
        }
        if let Some(other_segment) = context.other_segment {
            scores = self.with_segment_scores(scores, &query, other_segment);
        }
        self.output.forward(weighted_values(scores, value, self.scale, self.dropout, context, rng))
    }

    /// Queries, `[rows, heads, length, size]`, with a bias for each head.
    fn biased(&self, query: &Tensor<4>, bias: &Param<Tensor<2>>) -> Tensor<4> {
        let [_, heads, _, size] = query.dims();
        to_f32(query.clone()) + bias.val().reshape([1, heads, 1, size])
    }

    /// `[rows, heads, length, length]`.
    fn distance_scores(&self, query: &Tensor<4>, distances: &Distances) -> Tensor<4> {
        // The vectors are shared by all layers, and so is their dropout.
        let vectors = split_heads(self.distance.forward(distances.vectors(&mut None)), self.heads);
        to_f32(distances::by_key(matmul(self.biased(query, &self.distance_bias), vectors.transpose())))
    }

    /// `other_segment` is 1 where query and key are in different segments: `[rows, 1, length, length]`.
    fn with_segment_scores(&self, scores: Tensor<4>, query: &Tensor<4>, other_segment: &Tensor<4>) -> Tensor<4> {
        // `[1, heads, size, 2]`.
        let segments = self.segment.val().permute([1, 2, 0]).unsqueeze::<4>();
        let by_segment = to_f32(matmul(self.biased(query, &self.segment_bias), segments));
        let [rows, heads, length, _] = by_segment.dims();
        let column = |index: usize| by_segment.clone().slice([0..rows, 0..heads, 0..length, index..index + 1]);
        let (same, other) = (column(0), column(1));
        scores + same.clone() + (other - same) * other_segment.clone()
    }
}
