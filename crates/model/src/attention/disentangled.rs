//! DeBERTa's disentangled attention ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654)): contents are compared with contents
//! and with distances.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_arch::{AttentionConfig, DisentangledConfig, ModelError};

use super::{Distances, LayerContext, distances, padded_heads, projections, split_heads, weighted_values};
use crate::{Dropout, DropoutRng, Linear, ParameterSource};

/// Attention that compares contents with contents and with distances.
#[derive(Module, Debug)]
pub struct DisentangledAttention {
    /// `[hidden, hidden]`.
    pub query: Linear,
    /// `[hidden, hidden]`.
    pub key: Linear,
    /// `[hidden, hidden]`.
    pub value: Linear,
    /// `[hidden, hidden]`, applied to the concatenated heads.
    pub output: Linear,
    /// `[hidden, hidden]`, for distances that queries are compared with; `None` if `key` serves, or nothing is compared.
    pub distance_key: Option<Linear>,
    /// `[hidden, hidden]`, for distances that keys are compared with; `None` if `query` serves, or nothing is compared.
    pub distance_query: Option<Linear>,
    #[module(skip)]
    content_to_position: bool,
    #[module(skip)]
    position_to_content: bool,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    scale: f64,
    #[module(skip)]
    dropout: Dropout,
}

impl DisentangledAttention {
    pub(super) fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &AttentionConfig,
        relative: &DisentangledConfig,
    ) -> Result<Self, ModelError> {
        let [query, key, value, output] = projections(source, path, hidden, config)?;
        let mut linear = |name: &str, wanted: bool| {
            let own = wanted && !relative.shared_maps;
            own.then(|| Linear::new(source, &format!("{path}.{name}"), hidden, hidden, true)).transpose()
        };
        let terms = 1 + usize::from(relative.content_to_position) + usize::from(relative.position_to_content);
        Ok(Self {
            query,
            key,
            value,
            output,
            distance_key: linear("distance_key", relative.content_to_position)?,
            distance_query: linear("distance_query", relative.position_to_content)?,
            content_to_position: relative.content_to_position,
            position_to_content: relative.position_to_content,
            heads: config.heads,
            scale: 1.0 / ((hidden / config.heads * terms) as f64).sqrt(),
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
        let by_distance = context.distances.and_then(|distances| self.distance_scores(&query, &key, distances, rng));
        let by_content = query.matmul(key.transpose());
        let scores = match by_distance {
            Some(by_distance) => by_content + by_distance,
            None => by_content,
        };
        self.output.forward(weighted_values(scores, value, self.scale, self.dropout, context, rng))
    }

    /// What distances add to the scores.
    ///
    /// # Shapes
    /// - `query` and `key`: `[rows, heads, length, size]`
    /// - output: `[rows, heads, length, length]`
    fn distance_scores(
        &self,
        query: &Tensor<4>,
        key: &Tensor<4>,
        distances: &Distances,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Option<Tensor<4>> {
        let vectors = distances.vectors(rng);
        let project = |own: &Option<Linear>, shared: &Linear| {
            split_heads(own.as_ref().unwrap_or(shared).forward(vectors.clone()), self.heads)
        };
        let by_query = self.content_to_position.then(|| {
            let positions = project(&self.distance_key, &self.key);
            distances::by_key(query.clone().matmul(positions.transpose()))
        });
        let by_key = self.position_to_content.then(|| {
            // From a key to a query, distances have the opposite sign, and pairs the opposite order.
            let positions = project(&self.distance_query, &self.query).flip([2]);
            distances::by_key(key.clone().matmul(positions.transpose())).transpose()
        });
        match (by_query, by_key) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        }
    }
}
