//! Rows of tokens, padded into a rectangle.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::ModelError;

/// One row of tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Ids in the model's vocabulary, special tokens included.
    pub ids: &'a [u32],
    /// Segment of each token: 0, or 1 in the second text of a pair. As long as `ids`.
    pub type_ids: &'a [u32],
}

/// Rows padded on the right to the longest among them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[rows, length]`.
    pub ids: Tensor<2, Int>,
    /// `[rows, length]`.
    pub type_ids: Tensor<2, Int>,
    /// Added to the attention scores: 0 at tokens, a large negative number at padding, `[rows, 1, 1, length]`. `None` when
    /// no row is padded.
    pub attention_bias: Option<Tensor<4>>,
}

/// What a score at padding gets added: finite, so that a query without any visible key makes no NaN, and so large that
/// its exponential is exactly zero beside any score.
const MASKED: f32 = -1e9;

impl Batch {
    /// Pads rows with `pad_token_id`.
    ///
    /// # Errors
    /// When there is no row, a row is empty, or its type ids are not as long as its ids.
    pub fn new(rows: &[Tokens<'_>], pad_token_id: u32, device: &Device) -> Result<Self, ModelError> {
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        if rows.is_empty() || rows.iter().any(|row| row.ids.is_empty() || row.ids.len() != row.type_ids.len()) {
            return Err(ModelError::Input(
                "a batch needs at least one row, and each row at least one token with as many type ids".to_owned(),
            ));
        }
        let mut ids = Vec::with_capacity(rows.len() * length);
        let mut type_ids = Vec::with_capacity(rows.len() * length);
        let mut bias = Vec::with_capacity(rows.len() * length);
        for row in rows {
            let padding = length - row.ids.len();
            ids.extend(row.ids.iter().map(|&id| i64::from(id)));
            ids.extend(std::iter::repeat_n(i64::from(pad_token_id), padding));
            type_ids.extend(row.type_ids.iter().map(|&id| i64::from(id)));
            type_ids.extend(std::iter::repeat_n(0, padding));
            bias.extend(std::iter::repeat_n(0.0, row.ids.len()));
            bias.extend(std::iter::repeat_n(MASKED, padding));
        }
        let shape = [rows.len(), length];
        let padded = rows.iter().any(|row| row.ids.len() < length);
        Ok(Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            type_ids: Tensor::from_data(TensorData::new(type_ids, shape), device),
            attention_bias: padded
                .then(|| Tensor::from_data(TensorData::new(bias, [rows.len(), 1, 1, length]), device)),
        })
    }
}
