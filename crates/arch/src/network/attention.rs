//! The shape of multi-head attention ([arXiv 1706.03762](https://arxiv.org/abs/1706.03762)).

use serde::{Deserialize, Serialize};

use super::NormConfig;
use crate::distances::log_bucket;

/// The shape of multi-head attention, and which tokens it sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionConfig {
    /// Number of heads; divides the width of the hidden states.
    pub heads: usize,
    /// Whether the four linear layers have biases.
    pub bias: bool,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
    /// How the distance between two tokens enters the scores.
    pub relative: Relative,
    /// Layers with a sliding window.
    pub local: Option<LocalAttention>,
    /// Dropout probability of the attention weights.
    pub dropout: f64,
}

/// How the distance between two tokens enters the scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Relative {
    /// Not at all.
    None,
    /// Queries and keys are rotated by their positions ([arXiv 2104.09864](https://arxiv.org/abs/2104.09864)).
    Rotary {
        /// Base of the wavelengths.
        theta: f64,
    },
    /// A learned bias for each head and range of distances ([arXiv 1910.10683](https://arxiv.org/abs/1910.10683)).
    Bucketed {
        /// Rows of the table; the distances fall into the first 32.
        rows: usize,
    },
    /// A learned vector for each range of distances, compared with queries and keys
    /// ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654)).
    Disentangled(DisentangledConfig),
    /// A fixed sinusoidal vector for each distance, projected and compared with queries
    /// ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860)).
    TransformerXl {
        /// Distances are clipped to this value.
        furthest: Option<usize>,
        /// Dropout probability of the sinusoidal vectors.
        dropout: f64,
    },
}

/// Layers with a sliding window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalAttention {
    /// For each layer from the lowest, whether it has one.
    pub layers: Vec<bool>,
    /// The largest distance that they see.
    pub reach: usize,
    /// Base of the wavelengths of their rotary positions.
    pub theta: f64,
}

/// The shape of DeBERTa's attention, and of the table of distances that all layers share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisentangledConfig {
    /// Whether queries are compared with distances (`c2p`).
    pub content_to_position: bool,
    /// Whether keys are compared with distances (`p2c`).
    pub position_to_content: bool,
    /// Whether distances are projected by the layers of queries and keys (`share_att_key`).
    pub shared_maps: bool,
    /// Number of ranges of distances, on a logarithmic scale; with `None`, each distance has a vector of its own.
    pub buckets: Option<usize>,
    /// Distances are clipped to this value.
    pub furthest: usize,
    /// Layer norm of the table, if the model has one.
    pub norm: Option<NormConfig>,
    /// Dropout probability of the table.
    pub dropout: f64,
}

impl DisentangledConfig {
    /// Half the rows of the table: those for keys before the query.
    pub fn span(&self) -> usize {
        self.buckets.unwrap_or(self.furthest)
    }

    /// The row in the table of a distance, query minus key.
    pub fn row(&self, distance: i64) -> i64 {
        let span = self.span() as i64;
        let range = match self.buckets {
            Some(buckets) => log_bucket(distance, buckets as i64, self.furthest as i64),
            None => distance,
        };
        (range + span).clamp(0, 2 * span - 1)
    }
}
