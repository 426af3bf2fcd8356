//! Batches of token rows: packed sequences, or padded to the same length.

use burn::tensor::{Device, Int, Tensor, TensorData};
use firebrand_arch::ModelError;
use firebrand_arch::Tokens;
use firebrand_fused as fused;
use firebrand_kernels::Texts;

/// Rows of tokens: packed one after the other on devices whose operations take texts of different lengths, elsewhere padded on
/// the right to the longest. The scores do not depend on which.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[rows, length]`; packed: `[1, tokens]`.
    pub ids: Tensor<2, Int>,
    /// `[rows, length]`; packed: `[1, tokens]`.
    pub type_ids: Tensor<2, Int>,
    /// Number of tokens of each row.
    pub lengths: Vec<usize>,
    /// Position of each row's last token that is not the padding token. A text may contain that token: GPT-2 has none of its own
    /// and pads with its end-of-text token.
    pub last: Vec<usize>,
    /// Position of each token when padding tokens within a text are not counted, -1 for those tokens; shaped as
    /// [`ids`](Self::ids). `None` when no text contains one.
    pub positions_without_padding: Option<Tensor<2, Int>>,
    packed: Option<Texts>,
}

/// Added to the scores of hidden keys: finite, so that a query that sees no key does not become NaN, and so large that the
/// exponential is exactly zero beside any other score.
pub(crate) const MASKED: f32 = -1e9;

impl Batch {
    /// Packs rows, or pads them with `pad_token_id`, as is faster on the device.
    ///
    /// # Errors
    /// When there is no row, a row is empty, or its type ids are not as long as its ids.
    pub fn new(rows: &[Tokens<'_>], pad_token_id: u32, device: &Device) -> Result<Self, ModelError> {
        if rows.is_empty() || rows.iter().any(|row| row.ids.is_empty() || row.ids.len() != row.type_ids.len()) {
            return Err(ModelError::Input(
                "a batch needs at least one row, and each row at least one token with as many type ids".to_owned(),
            ));
        }
        let texts = Texts::new(rows.iter().map(|row| row.ids.len()));
        // Rows of the same length are packed and padded alike.
        let uneven = texts.tokens() < rows.len() * texts.longest();
        let packed = (uneven && fused::packs(device)).then(|| texts.clone());
        let (shape, length) = match &packed {
            Some(texts) => ([1, texts.tokens()], 0),
            None => ([rows.len(), texts.longest()], texts.longest()),
        };
        let tensor = |part: fn(&Tokens<'_>) -> Vec<i64>, padding: i64| {
            let values: Vec<i64> = rows
                .iter()
                .flat_map(|row| {
                    let mut values = part(row);
                    values.resize(values.len().max(length), padding);
                    values
                })
                .collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        let ids = tensor(|row| row.ids.iter().map(|&id| id.into()).collect(), pad_token_id.into());
        let type_ids = tensor(|row| row.type_ids.iter().map(|&id| id.into()).collect(), 0);
        let positions = rows.iter().any(|row| row.ids.contains(&pad_token_id)).then(|| {
            let positions =
                rows.iter().flat_map(|row| positions_without_padding(row.ids, pad_token_id, length)).collect();
            Tensor::from_data(TensorData::new::<i64, _>(positions, shape), device)
        });
        let last = |row: &Tokens<'_>| row.ids.iter().rposition(|&id| id != pad_token_id).unwrap_or(0);
        Ok(Self {
            ids,
            type_ids,
            lengths: texts.lengths().to_vec(),
            last: rows.iter().map(last).collect(),
            positions_without_padding: positions,
            packed,
        })
    }

    /// Tokens of the longest row.
    pub fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// The texts, if they are packed.
    pub(crate) fn packed(&self) -> Option<&Texts> {
        self.packed.as_ref()
    }

    /// Pads packed hidden states; padded ones are returned as they are.
    ///
    /// # Shapes
    /// - `x`: `[1, tokens, width]` or `[rows, length, width]`
    /// - output: `[rows, length, width]`
    pub(crate) fn pad(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.packed {
            Some(texts) => fused::pad(x, texts),
            None => x,
        }
    }

    /// The inverse of [`pad`](Self::pad).
    pub(crate) fn unpad(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.packed {
            Some(texts) => fused::unpad(x, texts),
            None => x,
        }
    }

    /// The position of each token in its row: of all tokens if packed, otherwise those of the longest row.
    pub(crate) fn positions(&self) -> Vec<usize> {
        match &self.packed {
            Some(texts) => texts.lengths().iter().flat_map(|&length| 0..length).collect(),
            None => (0..self.longest()).collect(),
        }
    }

    /// Selects one token of each row, by its position.
    pub(crate) fn select(&self, position: impl Fn(usize) -> usize) -> Selection {
        let starts: Vec<usize> = match &self.packed {
            Some(texts) => texts.starts().collect(),
            None => (0..self.lengths.len()).map(|row| row * self.longest()).collect(),
        };
        let positions: Vec<i64> = (0..starts.len()).map(|row| position(row) as i64).collect();
        let indices = starts.iter().zip(&positions).map(|(&start, position)| start as i64 + position).collect();
        let tensor = |values: Vec<i64>| Tensor::from_data(TensorData::new(values, [starts.len()]), &self.ids.device());
        Selection { positions: tensor(positions), indices: tensor(indices), packed: self.packed.is_some() }
    }

    /// Added to attention scores: 0 at tokens, a large negative number at padding, `[rows, 1, 1, length]`. `None` when all
    /// rows have the same length.
    pub(crate) fn padding_bias(&self) -> Option<Tensor<4>> {
        let values = self.of_padding([0.0, MASKED])?;
        let shape = [self.lengths.len(), 1, 1, self.longest()];
        Some(Tensor::from_data(TensorData::new(values, shape), &self.ids.device()))
    }

    /// 1 at tokens and 0 at padding, `[rows, length, 1]`; `None` when all rows have the same length.
    pub(crate) fn token_mask(&self) -> Option<Tensor<3>> {
        let values = self.of_padding([1.0, 0.0])?;
        let shape = [self.lengths.len(), self.longest(), 1];
        Some(Tensor::from_data(TensorData::new(values, shape), &self.ids.device()))
    }

    /// One number for tokens and one for padding.
    fn of_padding(&self, [token, padding]: [f32; 2]) -> Option<Vec<f32>> {
        let longest = self.longest();
        let values = |&tokens: &usize| (0..longest).map(move |place| if place < tokens { token } else { padding });
        self.lengths.iter().any(|&tokens| tokens < longest).then(|| self.lengths.iter().flat_map(values).collect())
    }
}

/// One token of each row.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Its position in the row.
    positions: Tensor<1, Int>,
    /// Its index among all tokens, row after row, including padding.
    indices: Tensor<1, Int>,
    packed: bool,
}

impl Selection {
    /// The token's position in each row: `[rows]`.
    pub(crate) fn positions(&self) -> Tensor<1, Int> {
        self.positions.clone()
    }

    /// # Shapes
    /// - `x`: `[rows, length, width]`, or, packed, `[1, tokens, width]`
    /// - output: `[rows, 1, width]`, or, packed, `[1, rows, width]`
    pub(crate) fn of(&self, x: Tensor<3>) -> Tensor<3> {
        let [first, second, width] = x.dims();
        let selected = x.reshape([first * second, width]).select(0, self.indices.clone());
        let [rows, _] = selected.dims();
        selected.reshape(if self.packed { [1, rows, width] } else { [rows, 1, width] })
    }

    /// The rows of an attention bias that belong to the selected tokens.
    ///
    /// # Shapes
    /// - `bias`: broadcast to `[rows, heads, length, length]`
    /// - output: broadcast to `[rows, heads, 1, length]`
    pub(crate) fn of_bias(&self, bias: Tensor<4>) -> Tensor<4> {
        let [_, heads, queries, keys] = bias.dims();
        if queries == 1 {
            return bias;
        }
        let [rows] = self.positions.dims();
        let positions = self.positions.clone().reshape([rows, 1, 1, 1]).expand([rows, heads, 1, keys]);
        bias.expand([rows, heads, queries, keys]).gather(2, positions)
    }
}

/// A row's positions, padded to `length`.
fn positions_without_padding(ids: &[u32], pad: u32, length: usize) -> Vec<i64> {
    let mut next = 0..;
    let mut positions: Vec<i64> =
        ids.iter().map(|&id| if id == pad { -1 } else { next.next().unwrap_or_default() }).collect();
    positions.resize(positions.len().max(length), -1);
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_skip_padding_wherever_it_is() {
        assert_eq!(positions_without_padding(&[5, 1, 6], 1, 4), [0, -1, 1, -1]);
        assert_eq!(positions_without_padding(&[7, 8, 9, 1], 1, 0), [0, 1, 2, -1]);
    }

    #[test]
    fn selected_tokens_are_those_of_the_whole() {
        let ids: [&[u32]; 3] = [&[5, 6, 7], &[5], &[6, 7]];
        let rows = ids.map(|ids| Tokens { ids, type_ids: &[0; 3][..ids.len()] });
        let last = [2, 0, 1];
        for name in crate::CPU_DEVICES {
            let device = crate::device(name).unwrap();
            let batch = Batch::new(&rows, 0, &device).unwrap();
            let [first, second] = batch.ids.dims();
            let x = batch.ids.clone().float().reshape([first, second, 1]);
            let selection = batch.select(|row| last[row]);
            assert_eq!(selection.of(x).into_data().try_to_vec::<f32>().unwrap(), [7.0, 5.0, 7.0]);

            // The number of a query and a key: ten times the one, and the other.
            let bias = |query: usize| (0..3).map(move |key| (10 * query + key) as f32);
            let all = Tensor::from_data(TensorData::new((0..3).flat_map(bias).collect(), [1, 1, 3, 3]), &device);
            let found = selection.of_bias(all);
            assert_eq!(found.dims(), [3, 1, 1, 3]);
            let expected: Vec<f32> = last.into_iter().flat_map(bias).collect();
            assert_eq!(found.into_data().try_to_vec::<f32>().unwrap(), expected);
        }
    }
}
