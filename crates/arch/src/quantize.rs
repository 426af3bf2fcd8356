//! Int8 quantisation of weights, with one scale per row.
//!
//! Symmetric and without a zero point, so that zero stays exactly zero: `x ≈ scale · q` with `q` from -127 to 127 and
//! `scale = max|x| / 127` of each row. A row holds the weights of one output of a linear layer (in the hub's orientation), or
//! one token's embedding, so a row with large weights costs the others no precision.

/// The largest magnitude of a quantised value: -128 has no positive partner and is left unused.
const LARGEST: f32 = 127.0;

/// An int8 matrix with one scale per row.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Matrix {
    /// Row-major values from -127 to 127.
    pub values: Vec<i8>,
    /// One positive scale per row.
    pub scales: Vec<f32>,
}

impl Int8Matrix {
    /// Quantises a row-major matrix of finite values. The error of each is at most half its row's scale.
    pub fn quantize(values: &[f32], columns: usize) -> Self {
        let mut matrix = Self { values: Vec::with_capacity(values.len()), scales: Vec::new() };
        for row in values.chunks(columns.max(1)) {
            let scale = scale_of(row);
            // In float64: a float32 quotient would round twice, which could flip a tie.
            matrix.values.extend(row.iter().map(|&value| {
                (f64::from(value) / f64::from(scale)).round().clamp(-f64::from(LARGEST), f64::from(LARGEST)) as i8
            }));
            matrix.scales.push(scale);
        }
        matrix
    }

    /// The dequantised values, row-major.
    pub fn dequantize(&self) -> Vec<f32> {
        let columns = self.values.len() / self.scales.len().max(1);
        let rows = self.values.chunks(columns.max(1)).zip(&self.scales);
        rows.flat_map(|(row, &scale)| row.iter().map(move |&value| f32::from(value) * scale)).collect()
    }
}

/// The scale of a row; the smallest normal float for a row of zeros or of subnormal scale.
fn scale_of(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = (largest / LARGEST).max(f32::MIN_POSITIVE);
    // Rounding up may take the largest value beyond float32's range.
    if (scale * LARGEST).is_finite() { scale } else { scale.next_down() }
}

/// The root mean square of the difference between a matrix and its approximation, relative to that of the original. 0 if both
/// are zero.
pub(crate) fn relative_error(original: &[f32], approximation: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let norm: f64 = original.iter().map(|&value| square(f64::from(value))).sum();
    let distance: f64 = original.iter().zip(approximation).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    if distance == 0.0 { 0.0 } else { (distance / norm).sqrt() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks that each error is at most half the row's scale, up to the rounding of one float32 product.
    fn check(values: &[f32], columns: usize) -> Int8Matrix {
        let matrix = Int8Matrix::quantize(values, columns);
        let back = matrix.dequantize();
        assert_eq!(back.len(), values.len());
        assert_eq!(matrix.scales.len(), values.len() / columns);
        for (place, (&value, &found)) in values.iter().zip(&back).enumerate() {
            let scale = f64::from(matrix.scales[place / columns]);
            let error = (f64::from(value) - f64::from(found)).abs();
            let room = scale / 2.0 + f64::from(value.abs()) * f64::from(f32::EPSILON);
            assert!(error <= room, "{value} came back as {found}: {error} off, scale {scale}");
        }
        matrix
    }

    proptest! {
        #[test]
        fn every_element_comes_back_within_half_a_scale(
            rows in prop::collection::vec(prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 7), 0..6),
        ) {
            check(&rows.concat(), 7);
        }

        #[test]
        fn weights_of_usual_size_too(values in prop::collection::vec(-3.0f32..3.0, 24)) {
            let matrix = check(&values, 6);
            // Quantising again changes nothing: export, load, export is stable.
            let again = Int8Matrix::quantize(&matrix.dequantize(), 6);
            prop_assert_eq!(again.values, matrix.values);
        }
    }

    #[test]
    fn zeros_stay_zeros_and_leave_other_rows_alone() {
        let matrix = check(&[0.0, 0.0, -0.0, 2.0, -1.0, 0.0], 3);
        assert_eq!(matrix.values, [0, 0, 0, 127, -64, 0]);
        assert_eq!(matrix.dequantize()[..3], [0.0; 3]);
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_stay_finite() {
        check(&[f32::MAX, -f32::MAX, 1.0], 3);
        check(&[f32::MIN_POSITIVE, -f32::MIN_POSITIVE / 64.0, f32::from_bits(1)], 3);
        assert!(Int8Matrix::quantize(&[f32::MAX, f32::MIN], 2).dequantize().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn the_error_is_relative_to_the_original() {
        assert_eq!(relative_error(&[0.0, 0.0], &[0.0, 0.0]), 0.0);
        assert!((relative_error(&[3.0, 4.0], &[3.0, 4.5]) - 0.1).abs() < 1e-12);
        assert!(relative_error(&[0.0], &[1.0]).is_infinite());
    }
}
