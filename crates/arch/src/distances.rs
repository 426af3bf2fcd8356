//! Distances between two tokens, and the ranges that they fall into.
//!
//! A row of `length` tokens has `2 · length - 1` distances, query minus key, listed from `length - 1` down to `1 - length`
//! throughout.

/// The base of the wavelengths of [`sinusoids`].
pub const SINUSOID_BASE: f32 = 10_000.0;

/// Every distance between two tokens of a row, in this module's order.
pub fn all(length: usize) -> impl Iterator<Item = i64> {
    let furthest = length as i64 - 1;
    (-furthest..=furthest).rev()
}

/// The frequencies of sinusoids with wavelengths of this base, for `size` elements, two of each frequency. In float32 throughout, as
/// the reference: its rounding shows at far positions.
pub fn frequencies(base: f32, size: usize) -> impl Iterator<Item = f32> + Clone {
    (0..size / 2).map(move |pair| 1.0f32 / base.powf((2 * pair) as f32 / size as f32))
}

/// The sinusoidal vector of each distance, one after the other: `size / 2` sines, then as many cosines
/// ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860)).
pub fn sinusoids(distances: impl Iterator<Item = i64>, size: usize) -> Vec<f32> {
    let frequencies: Vec<f32> = frequencies(SINUSOID_BASE, size).collect();
    let mut values = Vec::new();
    for distance in distances {
        values.extend(frequencies.iter().map(|frequency| (distance as f32 * frequency).sin()));
        values.extend(frequencies.iter().map(|frequency| (distance as f32 * frequency).cos()));
    }
    values
}

/// The range that a distance falls into in T5 and MPNet: 32 in all, half of them for keys after the
/// query, the nearer half exact, the others on a logarithmic scale up to 128
/// ([arXiv 1910.10683](https://arxiv.org/abs/1910.10683)).
pub fn bucket_of_32(distance: i64) -> i64 {
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
pub fn log_bucket(distance: i64, buckets: i64, furthest: i64) -> i64 {
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
    use super::*;

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

    #[test]
    fn distances_go_from_the_first_key_to_the_last() {
        assert_eq!(all(3).collect::<Vec<_>>(), [2, 1, 0, -1, -2]);
        assert_eq!(all(1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_sinusoidal_vector_has_its_sines_first() {
        let values = sinusoids([0, 1].into_iter(), 4);
        let expected = [0.0, 0.0, 1.0, 1.0, 1f32.sin(), 0.01f32.sin(), 1f32.cos(), 0.01f32.cos()];
        assert_eq!(values.len(), expected.len());
        assert!(values.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{values:?}");
    }
}
