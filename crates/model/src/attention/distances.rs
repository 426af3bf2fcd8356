//! Scores that depend on the distance between two tokens.
//!
//! A row of `length` tokens has `2 · length - 1` distances, query minus key, listed from `length - 1` down to `1 - length`
//! throughout. What depends on a distance is computed once for each of them and then spread over the pairs.

use burn::tensor::{Int, Tensor, TensorData};

use crate::{Dropout, DropoutRng};

/// Every distance between two tokens of a row, in this module's order.
pub(super) fn all(length: usize) -> impl Iterator<Item = i64> {
    let furthest = length as i64 - 1;
    (-furthest..=furthest).rev()
}

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

/// The sinusoidal vector of each distance: `size / 2` sines, then as many cosines.
pub(super) fn sinusoids(distances: impl Iterator<Item = i64>, size: usize) -> TensorData {
    let frequency = |place: usize| 1.0f32 / 10_000f32.powf((2 * place) as f32 / size as f32);
    let frequencies: Vec<f32> = (0..size / 2).map(frequency).collect();
    let mut values = Vec::new();
    let mut count = 0;
    for distance in distances {
        values.extend(frequencies.iter().map(|frequency| (distance as f32 * frequency).sin()));
        values.extend(frequencies.iter().map(|frequency| (distance as f32 * frequency).cos()));
        count += 1;
    }
    TensorData::new(values, [count, size / 2 * 2])
}

/// The range that a distance falls into in T5 and MPNet: 32 in all, half of them for keys after the
/// query, the nearer half exact, the others on a logarithmic scale up to 128
/// ([arXiv 1910.10683](https://arxiv.org/abs/1910.10683)).
pub(super) fn bucket_of_32(distance: i64) -> i64 {
    const HALF: i64 = 16;
    const EXACT: i64 = 8;
    let after = if distance < 0 { HALF } else { 0 };
    let far = distance.abs();
    if far < EXACT {
        return after + far;
    }
    // In float32 throughout, as the reference: the edges between ranges depend on it.
    let log = (far as f32 / EXACT as f32).ln() / 16f32.ln() * EXACT as f32;
    after + (EXACT + log as i64).min(HALF - 1)
}

/// The range that a distance falls into in DeBERTa: exact up to half of `buckets`, then on a
/// logarithmic scale up to `furthest`; negative for keys after the query.
pub(super) fn log_bucket(distance: i64, buckets: i64, furthest: i64) -> i64 {
    let middle = buckets / 2;
    let far = distance.abs();
    if far <= middle {
        return distance;
    }
    // In float32 throughout, as the reference: the edges between ranges depend on it.
    let scale = ((furthest - 1) as f32 / middle as f32).ln();
    let log = ((far as f32 / middle as f32).ln() / scale * (middle - 1) as f32).ceil() as i64;
    (log + middle) * distance.signum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

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

    /// From the reference: `MPNetEncoder.relative_position_bucket` of transformers, at the edges and at powers of two.
    #[test]
    fn ranges_are_those_of_mpnet() {
        let expected = [
            (0, 0),
            (1, 1),
            (7, 7),
            (8, 8),
            (11, 8),
            (12, 9),
            (15, 9),
            (16, 10),
            (22, 10),
            (23, 11),
            (31, 11),
            (32, 12),
            (45, 12),
            (46, 13),
            (63, 13),
            (64, 14),
            (90, 14),
            (91, 15),
            (127, 15),
            (128, 15),
            (500, 15),
            (-1, 17),
            (-8, 24),
            (-16, 26),
            (-64, 30),
            (-500, 31),
        ];
        for (distance, bucket) in expected {
            assert_eq!(bucket_of_32(distance), bucket, "{distance}");
        }
    }
}
