//! DeBERTa's attention: contents compared with distances ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654)).

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Distances, distances, split_heads};
use crate::{DropoutRng, Linear, ModelError, NormConfig, ParameterSource};

/// The shape of a [`Disentangled`], and the table of distances that all layers share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisentangledConfig {
    /// Whether queries are compared with distances.
    pub content_to_position: bool,
    /// Whether keys are compared with distances.
    pub position_to_content: bool,
    /// Whether the maps of queries and keys serve for distances too.
    pub shared_maps: bool,
    /// Ranges of distances on a logarithmic scale; `None`: each distance is a range of its own.
    pub buckets: Option<usize>,
    /// The furthest distance that is told apart.
    pub furthest: usize,
    /// The norm of the table; `None` where there is none.
    pub norm: Option<NormConfig>,
    /// Probability of dropout of the table.
    pub dropout: f64,
}

impl DisentangledConfig {
    /// Half the rows of the table: those for keys before the query.
    pub(crate) fn span(&self) -> usize {
        self.buckets.unwrap_or(self.furthest)
    }

    /// A distance's row in the table.
    pub(super) fn row(&self, distance: i64) -> i64 {
        let span = self.span() as i64;
        let range = match self.buckets {
            Some(buckets) => distances::log_bucket(distance, buckets as i64, self.furthest as i64),
            None => distance,
        };
        (range + span).clamp(0, 2 * span - 1)
    }
}

/// The maps for distances that a layer has of its own.
#[derive(Module, Debug)]
pub struct Disentangled {
    /// `[hidden, hidden]`, for distances that queries are compared with.
    pub key: Option<Linear>,
    /// `[hidden, hidden]`, for distances that keys are compared with.
    pub query: Option<Linear>,
    #[module(skip)]
    content_to_position: bool,
    #[module(skip)]
    position_to_content: bool,
    #[module(skip)]
    heads: usize,
}

impl Disentangled {
    pub(super) fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        heads: usize,
        config: &DisentangledConfig,
    ) -> Result<Self, ModelError> {
        let mut linear = |name: &str, wanted: bool| {
            let own = wanted && !config.shared_maps;
            own.then(|| Linear::new(source, &format!("{path}.{name}"), hidden, hidden, true)).transpose()
        };
        Ok(Self {
            key: linear("key", config.content_to_position)?,
            query: linear("query", config.position_to_content)?,
            content_to_position: config.content_to_position,
            position_to_content: config.position_to_content,
            heads,
        })
    }

    /// What distances add to the scores. `shared` are the layer's own maps of queries and keys.
    ///
    /// # Shapes
    /// - `query` and `key`: `[rows, heads, length, size]`
    /// - output: `[rows, heads, length, length]`
    pub(super) fn scores(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        shared: [&Linear; 2],
        distances: &Distances,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Option<Tensor<4>> {
        let vectors = distances.vectors(rng);
        let map = |own: &Option<Linear>, shared: &Linear| {
            split_heads(own.as_ref().unwrap_or(shared).forward(vectors.clone()), self.heads)
        };
        let [shared_query, shared_key] = shared;
        let by_query = self.content_to_position.then(|| {
            let positions = map(&self.key, shared_key);
            distances::by_key(query.matmul(positions.transpose()))
        });
        let by_key = self.position_to_content.then(|| {
            // Seen from a key, the distances are the other way round, and so are the pairs.
            let positions = map(&self.query, shared_query).flip([2]);
            distances::by_key(key.matmul(positions.transpose())).transpose()
        });
        match (by_query, by_key) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        }
    }
}
