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

/// Rows padded on the right to the longest among them, for every family: no answer depends on where the padding is.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[rows, length]`.
    pub ids: Tensor<2, Int>,
    /// `[rows, length]`.
    pub type_ids: Tensor<2, Int>,
    /// Added to the attention scores: 0 at tokens, a large negative number at padding, `[rows, 1, 1, length]`. `None` when
    /// no row is padded.
    pub attention_bias: Option<Tensor<4>>,
    /// Number of tokens of each row.
    pub lengths: Vec<usize>,
    /// Place of each row's last token whose id is not the padding's. A text may hold that id: GPT-2 has no padding token, and
    /// the one that ends a text stands in for it.
    pub last: Vec<usize>,
    /// Place of each token when those with the padding's id are not counted, which stand at -1 themselves,
    /// `[rows, length]`. `None` when no text holds one.
    pub places_without_padding: Option<Tensor<2, Int>>,
}

/// What a score that must not count gets added: finite, so that a query without any visible key makes no NaN, and so large
/// that its exponential is exactly zero beside any score.
pub(crate) const MASKED: f32 = -1e9;

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
        let places = rows.iter().any(|row| row.ids.contains(&pad_token_id)).then(|| {
            let places = places_without_padding(&ids, length, i64::from(pad_token_id));
            Tensor::from_data(TensorData::new(places, shape), device)
        });
        let last = |row: &Tokens<'_>| row.ids.iter().rposition(|&id| id != pad_token_id).unwrap_or(0);
        Ok(Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            type_ids: Tensor::from_data(TensorData::new(type_ids, shape), device),
            attention_bias: padded
                .then(|| Tensor::from_data(TensorData::new(bias, [rows.len(), 1, 1, length]), device)),
            lengths: rows.iter().map(|row| row.ids.len()).collect(),
            last: rows.iter().map(last).collect(),
            places_without_padding: places,
        })
    }

    /// 1 at tokens and 0 at padding, `[rows, length, 1]`; `None` when no row is padded.
    pub(crate) fn token_mask(&self) -> Option<Tensor<3>> {
        let [rows, length] = self.ids.dims();
        self.attention_bias.as_ref()?;
        let mask: Vec<f32> = self
            .lengths
            .iter()
            .flat_map(|&tokens| (0..length).map(move |place| if place < tokens { 1.0 } else { 0.0 }))
            .collect();
        Some(Tensor::from_data(TensorData::new(mask, [rows, length, 1]), &self.ids.device()))
    }
}

fn places_without_padding(ids: &[i64], length: usize, pad: i64) -> Vec<i64> {
    let mut places = Vec::with_capacity(ids.len());
    for row in ids.chunks(length) {
        let mut next = 0;
        for &id in row {
            places.push(if id == pad { -1 } else { next });
            next += i64::from(id != pad);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_skip_padding_wherever_it_is() {
        assert_eq!(places_without_padding(&[5, 1, 6, 1, 7, 8, 9, 1], 4, 1), [0, -1, 1, -1, 0, 1, 2, -1]);
    }
}
