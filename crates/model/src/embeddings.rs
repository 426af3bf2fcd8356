//! From token ids to the encoder's first hidden states.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, module::embedding};
use serde::{Deserialize, Serialize};

use crate::{Batch, Dropout, DropoutRng, LayerNorm, ModelError, ParameterSource};

/// The shape of [`Embeddings`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingsConfig {
    /// Rows of the token table.
    pub vocabulary: usize,
    /// Rows of the learned position table; `None` where positions enter elsewhere.
    pub positions: Option<usize>,
    /// What the first token's position is: 0, or the padding id plus 1 in RoBERTa and its kin.
    pub position_offset: usize,
    /// Rows of the segment table; `None` where there is none.
    pub types: Option<usize>,
    /// Width.
    pub size: usize,
    /// Added to the variance in the norm.
    pub norm_epsilon: f64,
    /// Probability of dropout.
    pub dropout: f64,
}

/// Token, position and segment embeddings, summed, normalised and dropped out.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocabulary, size]`.
    pub token: Param<Tensor<2>>,
    /// `[positions, size]`.
    pub position: Option<Param<Tensor<2>>>,
    /// `[types, size]`.
    pub token_type: Option<Param<Tensor<2>>>,
    /// After the sum.
    pub norm: LayerNorm,
    #[module(skip)]
    position_offset: usize,
    #[module(skip)]
    dropout: Dropout,
}

impl Embeddings {
    /// Takes `encoder.embeddings.*` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &EmbeddingsConfig) -> Result<Self, ModelError> {
        let mut table = |name: &str, rows: Option<usize>| {
            rows.map(|rows| source.take(&format!("encoder.embeddings.{name}"), [rows, config.size])).transpose()
        };
        let position = table("position", config.positions)?;
        let token_type = table("token_type", config.types)?;
        Ok(Self {
            token: source.take("encoder.embeddings.token", [config.vocabulary, config.size])?,
            position,
            token_type,
            norm: LayerNorm::new(source, "encoder.embeddings.norm", config.size, config.norm_epsilon)?,
            position_offset: config.position_offset,
            dropout: Dropout { probability: config.dropout },
        })
    }

    /// # Shapes
    /// - output: `[rows, length, size]`
    pub fn forward(&self, batch: &Batch, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let [_, length] = batch.ids.dims();
        let mut x = embedding(self.token.val(), batch.ids.clone());
        if let Some(table) = &self.token_type {
            x = x + embedding(table.val(), batch.type_ids.clone());
        }
        if let Some(table) = &self.position {
            let first = self.position_offset as i64;
            let positions = Tensor::<1, Int>::arange(first..first + length as i64, &x.device());
            x = x + embedding(table.val(), positions.unsqueeze());
        }
        self.dropout.forward(self.norm.forward(x), rng)
    }
}
