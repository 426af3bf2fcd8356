//! Cross-entropy of logits with its gradient, in one pass.

/// The mean over rows of `-log softmax(logits)[target]`, and its gradient in the place of the logits.
///
/// Small next to everything else here (rows times classes), so in double precision and on one thread. Rows without a
/// target (`None`) count for nothing.
pub fn cross_entropy(logits: &mut [f32], classes: usize, targets: &[Option<u32>]) -> f32 {
    let counted = targets.iter().flatten().count().max(1) as f64;
    let mut loss = 0.0;
    for (row, target) in logits.chunks_exact_mut(classes).zip(targets) {
        let Some(target) = target.map(|target| target as usize) else {
            row.fill(0.0);
            continue;
        };
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row.iter().map(|&x| f64::from(x - largest).exp()).collect();
        let total: f64 = powers.iter().sum();
        loss += total.ln() - f64::from(row[target] - largest);
        for (class, (x, power)) in row.iter_mut().zip(powers).enumerate() {
            let asked = if class == target { 1.0 } else { 0.0 };
            *x = ((power / total - asked) / counted) as f32;
        }
    }
    (loss / counted) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;
    use proptest::prelude::*;

    proptest! {
        /// The gradient is the slope of the loss, taken by central differences.
        #[test]
        fn the_gradient_is_the_slope(rows in 1usize..5, classes in 1usize..6, seed: u64) {
            let logits = numbers(rows * classes, seed);
            let targets: Vec<Option<u32>> = (0..rows).map(|row| (row != 1).then_some((row % classes) as u32)).collect();
            let mut gradient = logits.clone();
            cross_entropy(&mut gradient, classes, &targets);
            for place in 0..logits.len() {
                let at = |step: f32| {
                    let mut moved = logits.clone();
                    moved[place] += step;
                    cross_entropy(&mut moved, classes, &targets)
                };
                let slope = (at(0.01) - at(-0.01)) / 0.02;
                prop_assert!((slope - gradient[place]).abs() < 1e-3, "{} {}", slope, gradient[place]);
            }
        }
    }

    #[test]
    fn known_values() {
        let mut logits = [0.0, 0.0, 1e4, -1e4];
        let loss = cross_entropy(&mut logits, 2, &[Some(0), Some(0)]);
        assert!((loss - 2f32.ln() / 2.0).abs() < 1e-7);
        assert_eq!(logits, [-0.25, 0.25, 0.0, 0.0]);
    }
}
