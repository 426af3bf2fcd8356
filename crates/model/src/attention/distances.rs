//! Scores that depend on the distance between two tokens.
//!
//! What depends on a distance is computed once for each of a row's [distances](firebrand_arch::distances), in their order, and
//! then spread over the pairs.

use burn::tensor::{Int, Tensor};

use crate::{Dropout, DropoutRng};

/// Turns scores by distance into scores by key without gathering: the same elements, read as rows that are one shorter, are
/// shifted by one in each row ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860), appendix B).
///
/// # Shapes
/// - `scores`: `[…, …, length, 2 · length - 1]`: for each query, by distance
/// - output: `[…, …, length, length]`: for each query, by key
pub(super) fn by_key(scores: Tensor<4>) -> Tensor<4> {
    let [rows, heads, length, distances] = scores.dims();
    if length == 1 {
        return scores;
    }
    let shorter = distances - 1;
    scores
        .reshape([rows, heads, length * distances])
        .slice([0..rows, 0..heads, length - 1..length - 1 + length * shorter])
        .reshape([rows, heads, length, shorter])
        .slice([0..rows, 0..heads, 0..length, 0..length])
}

/// A vector for each distance, shared by all layers.
#[derive(Debug, Clone)]
pub(crate) struct Distances {
    /// `[distances, hidden]`, or `[buckets, hidden]`.
    pub(super) table: Tensor<2>,
    /// Each distance's row in the table; with `None`, the table has one row for each, in order.
    pub(super) rows: Option<Tensor<1, Int>>,
    /// Dropout of the table, with a mask for each layer.
    pub(super) dropout: Dropout,
}

impl Distances {
    /// # Shapes
    /// - output: `[1, distances, hidden]`
    pub(super) fn vectors(&self, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let table = self.dropout.forward(self.table.clone(), rng);
        match &self.rows {
            Some(rows) => table.select(0, rows.clone()).unsqueeze(),
            None => table.unsqueeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use firebrand_arch::distances::all;

    use super::*;

    #[test]
    fn scores_by_distance_reach_their_pairs() {
        for length in [1, 2, 3, 7] {
            let device = Device::flex();
            let count = 2 * length - 1;
            // Each score says which query and which distance it is for.
            let scores: Vec<f32> = (0..length)
                .flat_map(|query| all(length).map(move |distance| (query * 100) as f32 + distance as f32))
                .collect();
            let scores = Tensor::<4>::from_data(TensorData::new(scores, [1, 1, length, count]), &device);
            let found = by_key(scores).into_data().try_to_vec::<f32>().unwrap();
            let expected: Vec<f32> = (0..length)
                .flat_map(|query| (0..length).map(move |key| (query * 100) as f32 + query as f32 - key as f32))
                .collect();
            assert_eq!(found, expected);
        }
    }
}
