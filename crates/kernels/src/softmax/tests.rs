use super::*;
use crate::testing::{any_float, arches, close, numbers, same, with_threads};
use proptest::prelude::*;

/// Probabilities of a row and the scores' gradient, for a gradient and a mask of the dropped probabilities.
fn reference(scores: &[f64], scale: f64, gradient: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return (vec![0.0; scores.len()], vec![0.0; scores.len()]);
    }
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    let p: Vec<f64> = powers.iter().map(|power| power / total).collect();
    let inner: f64 = p.iter().zip(gradient).map(|(p, g)| p * g).sum();
    let dx = p.iter().zip(gradient).map(|(p, g)| scale * p * (g - inner)).collect();
    (p, dx)
}

proptest! {
    #[test]
    fn values_and_gradients_are_right(
        shape in [1usize..3, 1usize..4, 1usize..6, 1usize..70], seed: u64, kind in 0u8..4, drop: bool, scale in 0.1f32..9.0
    ) {
        let [rows, heads, queries, keys] = shape;
        let (x, dy) = (numbers(shape.iter().product(), seed), numbers(shape.iter().product(), seed ^ 1));
        // Padding, padding of everything in the first row, and a full bias.
        let (values, strides) = match kind {
            0 => (vec![], [0; 3]),
            1 => (numbers(rows * keys, seed ^ 2).iter().map(|&x| if x > 1.0 { f32::NEG_INFINITY } else { 0.0 }).collect(), [keys, 0, 0]),
            2 => ((0..rows * keys).map(|place| if place < keys { f32::NEG_INFINITY } else { 0.0 }).collect(), [keys, 0, 0]),
            _ => (numbers(heads * queries * keys, seed ^ 2), [0, queries * keys, keys]),
        };
        let bias = (kind > 0).then_some(Bias { values: &values, strides });
        let mask = drop.then_some(Mask { seed, step: 2, number: 3, probability: 0.3 });
        let (mut p_expected, mut dropped_expected, mut dx_expected) = (vec![], vec![], vec![]);
        for row in 0..rows * heads * queries {
            let places = row * keys..(row + 1) * keys;
            let at = [row / (heads * queries), row / queries % heads, row % queries];
            let scores: Vec<f64> = places.clone().map(|place| {
                let added = bias.map_or(0.0, |bias| bias.row(at, keys)[place % keys]);
                f64::from(x[place]) * f64::from(scale) + f64::from(added)
            }).collect();
            let kept: Vec<f64> = places.clone().map(|place| f64::from(mask.map_or(1.0, |mask| mask.value(place)))).collect();
            let gradient: Vec<f64> = places.zip(&kept).map(|(place, kept)| f64::from(dy[place]) * kept).collect();
            let (p, dx) = reference(&scores, f64::from(scale), &gradient);
            dropped_expected.extend(p.iter().zip(&kept).map(|(p, kept)| p * kept));
            p_expected.extend(p);
            dx_expected.extend(dx);
        }
        for arch in arches() {
            let (mut p, mut dx) = (x.clone(), dy.clone());
            let dropped = forward(arch, &mut p, shape, scale, bias, mask);
            close(&p, &p_expected, 2e-6)?;
            prop_assert_eq!(dropped.is_some(), drop);
            if let Some(dropped) = dropped {
                close(&dropped, &dropped_expected, 3e-6)?;
            }
            backward(arch, &p, keys, scale, mask, &mut dx);
            close(&dx, &dx_expected, 1e-5)?;
        }
    }
}

proptest! {
    /// Every instruction set against the portable one, over all bit patterns; a row with a NaN, or with an infinite score, is
    /// NaN as a whole.
    #[test]
    fn instruction_sets_agree(x in prop::collection::vec(any_float(), 1..70)) {
        let run = |arch| {
            let mut p = x.clone();
            forward(arch, &mut p, [1, 1, 1, x.len()], 1.0, None, None);
            p
        };
        let expected = run(Arch::Scalar);
        let undefined = x.iter().any(|x| x.is_nan() || *x == f32::INFINITY);
        prop_assert!(expected.iter().all(|p| p.is_nan() == undefined), "{:?}", expected);
        for arch in arches() {
            same(&run(arch), &expected, 1e-6)?;
        }
    }
}

#[test]
fn nan_among_hidden_keys_stays_nan() {
    for length in [1, 3, 32, 40] {
        for place in 0..length {
            for arch in arches() {
                let mut scores = vec![f32::NEG_INFINITY; length];
                scores[place] = f32::NAN;
                forward(arch, &mut scores, [1, 1, 1, length], 1.0, None, None);
                assert!(scores.iter().all(|score| score.is_nan()), "{scores:?}");
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let shape = [3, 5, 70, 77];
    let mask = Mask { seed: 1, step: 2, number: 3, probability: 0.1 };
    with_threads(|| {
        let mut p = numbers(shape.iter().product(), 1);
        let dropped = forward(Arch::new(), &mut p, shape, 0.3, None, Some(mask));
        let mut gradient = numbers(p.len(), 2);
        backward(Arch::new(), &p, 77, 0.3, Some(mask), &mut gradient);
        (p, dropped, gradient)
    });
}
