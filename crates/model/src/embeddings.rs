//! From token ids to the encoder's first hidden states.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use firebrand_arch::{EmbeddingsConfig, ModelError, PositionsConfig};
use firebrand_fused::{embedding, to_f32};

use crate::{Batch, Dropout, DropoutRng, LayerNorm, Linear, ParameterSource};

/// Token, position and segment embeddings: their sum, layer norm and dropout.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocabulary, size]`.
    pub token: Param<Tensor<2>>,
    /// `[positions, size]`.
    pub position: Option<Param<Tensor<2>>>,
    /// `[types, size]`.
    pub token_type: Option<Param<Tensor<2>>>,
    /// `[1, 1, size]`.
    pub mask: Option<Param<Tensor<3>>>,
    /// Layer norm of the sum.
    pub norm: Option<LayerNorm>,
    /// `[size, hidden]`.
    pub projection: Option<Linear>,
    #[module(skip)]
    config: EmbeddingsConfig,
}

impl Embeddings {
    /// Takes `encoder.embeddings.*` from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(source: &mut dyn ParameterSource, config: &EmbeddingsConfig) -> Result<Self, ModelError> {
        let path = |name: &str| format!("encoder.embeddings.{name}");
        let mut table = |name: &str, rows: usize| source.take(&path(name), [rows, config.size]);
        let token = table("token", config.vocabulary)?;
        let position = config.positions.map(|positions| table("position", positions.rows)).transpose()?;
        let token_type = config.types.map(|rows| table("token_type", rows)).transpose()?;
        let mask = config.mask_vector.then(|| source.take(&path("mask"), [1, 1, config.size])).transpose()?;
        let hidden = config.output_size();
        let norm = config.norm.map(|norm| {
            let size = if norm.after_projection { hidden } else { config.size };
            LayerNorm::new(source, &path("norm"), size, norm.norm)
        });
        let norm = norm.transpose()?;
        let projection = config
            .projection
            .map(|projection| Linear::new(source, &path("projection"), config.size, hidden, projection.bias));
        Ok(Self {
            token,
            position,
            token_type,
            mask,
            norm,
            projection: projection.transpose()?,
            config: config.clone(),
        })
    }

    /// # Shapes
    /// - output: `[rows, length, hidden]`
    pub fn forward(&self, batch: &Batch, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let mut x = embedding(self.token.val(), batch.ids.clone());
        if let Some(table) = &self.token_type {
            x = x + embedding(table.val(), batch.type_ids.clone());
        }
        if let (Some(table), Some(config)) = (&self.position, self.config.positions) {
            x = x + embedding(table.val(), positions(batch, config));
        }
        let project = |x: Tensor<3>| match &self.projection {
            Some(projection) => to_f32(projection.forward(x)),
            None => x,
        };
        let dropout = Dropout { probability: self.config.dropout };
        match (&self.norm, self.config.norm) {
            (Some(norm), Some(config)) if config.after_projection => dropout.forward(norm.forward(project(x)), rng),
            (Some(norm), _) => project(dropout.forward(norm.forward(x), rng)),
            (None, _) => project(dropout.forward(x, rng)),
        }
    }
}

/// Each token's row in the position table: shaped as [`Batch::ids`], or `[1, length]`, the same for every row.
fn positions(batch: &Batch, config: PositionsConfig) -> Tensor<2, Int> {
    let first = config.first as i64;
    match &batch.positions_without_padding {
        Some(positions) if config.skip_padding => positions.clone().add_scalar(first),
        _ => {
            let positions: Vec<i64> = batch.positions().into_iter().map(|position| first + position as i64).collect();
            let shape = [1, positions.len()];
            Tensor::from_data(TensorData::new(positions, shape), &batch.ids.device())
        }
    }
}
