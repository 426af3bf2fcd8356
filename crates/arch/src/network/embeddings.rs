//! The shape of the embeddings.

use serde::{Deserialize, Serialize};

use super::NormConfig;

/// The shape of the token, position and segment embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingsConfig {
    /// Rows of the token table.
    pub vocabulary: usize,
    /// The learned position table; `None` if positions enter elsewhere (in attention).
    pub positions: Option<PositionsConfig>,
    /// Rows of the segment table; `None` if the model has no segments.
    pub types: Option<usize>,
    /// Width of the tables.
    pub size: usize,
    /// Layer norm of the summed embeddings, if the model has one here.
    pub norm: Option<EmbeddingsNorm>,
    /// Dropout probability.
    pub dropout: f64,
    /// Linear layer from the tables' width to that of the hidden states; `None` if they are equal.
    pub projection: Option<ProjectionConfig>,
    /// Whether the checkpoint has a vector for masked tokens (used by XLNet's pretraining only).
    pub mask_vector: bool,
}

/// The table of learned positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionsConfig {
    /// Number of rows.
    pub rows: usize,
    /// The first token's position: 0, or the padding id plus 1 in RoBERTa and its relatives.
    pub first: usize,
    /// Whether padding tokens within a text have position `first - 1` and are not counted, as in RoBERTa and its relatives.
    pub skip_padding: bool,
}

/// The layer norm of the embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingsNorm {
    /// Its shape.
    pub norm: NormConfig,
    /// Whether it is applied after the projection.
    pub after_projection: bool,
}

/// The linear layer from the tables' width to that of the hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionConfig {
    /// Width of the hidden states.
    pub hidden: usize,
    /// Whether it has a bias.
    pub bias: bool,
}

impl EmbeddingsConfig {
    /// Width of the embeddings' output.
    pub fn output_size(&self) -> usize {
        self.projection.map_or(self.size, |projection| projection.hidden)
    }
}
