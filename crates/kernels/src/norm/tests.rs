use super::*;
use crate::testing::{arches, close, doubles, numbers, with_threads};
use proptest::prelude::*;

proptest! {
    #[test]
    fn values_and_gradients_are_right(
        rows in 1usize..9, width in 2usize..70, seed: u64, with_residual: bool, with_bias: bool, drop: bool
    ) {
        let [x, residual, dy] = [1, 2, 3].map(|part| numbers(rows * width, seed ^ part));
        let [weight, bias] = [4, 5].map(|part| numbers(width, seed ^ part));
        let epsilon = 1e-5f32;
        let mask = drop.then_some(Mask { seed, step: 2, number: 3, probability: 0.3 });
        let (mut y_expected, mut dh_expected, mut dx_expected) = (vec![], vec![], vec![]);
        let (mut dw_expected, mut db_expected) = (vec![0.0; width], vec![0.0; width]);
        for row in 0..rows {
            let places: Vec<usize> = (row * width..(row + 1) * width).collect();
            let kept: Vec<f64> = places.iter().map(|&place| f64::from(mask.map_or(1.0, |mask| mask.value(place)))).collect();
            let h: Vec<f64> = places.iter().zip(&kept).map(|(&place, kept)| {
                f64::from(x[place]) * kept + if with_residual { f64::from(residual[place]) } else { 0.0 }
            }).collect();
            let count = width as f64;
            let mean = h.iter().sum::<f64>() / count;
            let variance = h.iter().map(|h| (h - mean).powi(2)).sum::<f64>() / count;
            let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
            let normal: Vec<f64> = h.iter().map(|h| (h - mean) * scale).collect();
            let w = doubles(&weight);
            let g: Vec<f64> = places.iter().zip(&w).map(|(&place, w)| f64::from(dy[place]) * w).collect();
            let g_mean = g.iter().sum::<f64>() / count;
            let inner = g.iter().zip(&normal).map(|(g, n)| g * n).sum::<f64>() / count;
            for column in 0..width {
                let gradient = f64::from(dy[places[column]]);
                y_expected.push(normal[column] * w[column] + if with_bias { f64::from(bias[column]) } else { 0.0 });
                let dh = scale * (g[column] - g_mean - normal[column] * inner);
                dh_expected.push(dh);
                dx_expected.push(dh * kept[column]);
                dw_expected[column] += gradient * normal[column];
                db_expected[column] += gradient;
            }
        }
        for arch in arches() {
            let mut normal = x.clone();
            let parameters = Parameters { weight: &weight, bias: with_bias.then_some(&bias[..]), epsilon };
            let residual = with_residual.then_some(&residual[..]);
            let (y, scales) = forward(arch, &mut normal, residual, mask, parameters);
            // Two nearly equal numbers in a row have a deviation that single precision does not hold well.
            let tolerance = 1e-5 * f64::from(scales.iter().copied().fold(1.0, f32::max));
            close(&y, &y_expected, tolerance)?;
            let mut dh = dy.clone();
            let (sums, dx) = backward(arch, &normal, &scales, &weight, &mut dh, mask);
            let steep = tolerance * f64::from(scales.iter().copied().fold(1.0, f32::max)) * 2.0;
            close(&dh, &dh_expected, steep)?;
            prop_assert_eq!(dx.is_some(), drop);
            if let Some(dx) = dx {
                close(&dx, &dx_expected, 2.0 * steep)?;
            }
            close(&sums.weight, &dw_expected, 10.0 * tolerance)?;
            close(&sums.bias, &db_expected, 1e-5)?;
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let mask = Mask { seed: 1, step: 2, number: 3, probability: 0.1 };
    let weight = numbers(390, 1);
    with_threads(|| {
        let (mut x, residual) = (numbers(390 * 300, 2), numbers(390 * 300, 3));
        let parameters = Parameters { weight: &weight, bias: None, epsilon: 1e-12 };
        let (y, scales) = forward(Arch::new(), &mut x, Some(&residual), Some(mask), parameters);
        let mut gradient = numbers(x.len(), 4);
        let gradients = backward(Arch::new(), &x, &scales, &weight, &mut gradient, Some(mask));
        (x, y, gradient, gradients)
    });
}

#[test]
fn nan_stays_in_its_row() {
    let weight = vec![1.0; 20];
    for arch in arches() {
        let mut x = numbers(60, 1);
        x[25] = f32::NAN;
        let parameters = Parameters { weight: &weight, bias: None, epsilon: 1e-5 };
        let (y, _) = forward(arch, &mut x, None, None, parameters);
        let rows: Vec<_> = y.chunks(20).map(|row| row.iter().filter(|y| y.is_nan()).count()).collect();
        assert_eq!(rows, [0, 20, 0]);
    }
}
