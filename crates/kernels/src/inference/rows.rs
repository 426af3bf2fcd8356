//! Operations on rows.

use super::LANES;
use super::curve::Curve;
use super::lanes::Lanes;

/// A layer norm's parameters, padded with zeros ([arXiv 1607.06450](https://arxiv.org/abs/1607.06450)).
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Factor of each element.
    weight: Vec<f32>,
    /// Added to each element.
    bias: Vec<f32>,
    /// 1 for each element that counts, then 0.
    counts: Vec<f32>,
    /// Number of elements that count.
    width: usize,
    /// Added to the variance.
    epsilon: f32,
}

impl Norm {
    /// A norm of rows as wide as its weights.
    ///
    /// # Panics
    /// When the bias has another length.
    pub fn new(weight: &[f32], bias: Option<&[f32]>, epsilon: f64) -> Self {
        let width = weight.len();
        assert!(bias.is_none_or(|bias| bias.len() == width));
        let pad = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(super::padded(width), 0.0);
            values
        };
        Self {
            weight: pad(weight),
            bias: pad(bias.unwrap_or_default()),
            counts: pad(&vec![1.0; width]),
            width,
            epsilon: epsilon as f32,
        }
    }
}

dispatch! {
    /// Normalises rows in place. What pads them becomes zero.
    pub fn norm<'a>(norm: &'a Norm, rows: &'a mut [f32]) = norm_with;
}

#[inline(always)]
fn norm_with<L: Lanes>(lanes: L, norm: &Norm, rows: &mut [f32]) {
    let (weight, bias) = (norm.weight.as_chunks::<LANES>().0, norm.bias.as_chunks::<LANES>().0);
    let counts = norm.counts.as_chunks::<LANES>().0;
    let inverse = 1.0 / norm.width as f32;
    for row in rows.chunks_exact_mut(norm.weight.len()) {
        let row = row.as_chunks_mut::<LANES>().0;
        // Two sums, so that one addition need not wait for the other.
        let mut sums = [lanes.splat(0.0); 2];
        for pair in row.chunks(2) {
            for (sum, x) in sums.iter_mut().zip(pair) {
                *sum = lanes.add(*sum, lanes.load(x));
            }
        }
        let mean = lanes.splat(lanes.sum(lanes.add(sums[0], sums[1])) * inverse);
        let mut squares = [lanes.splat(0.0); 2];
        for (pair, counts) in row.chunks(2).zip(counts.chunks(2)) {
            for ((square, x), counts) in squares.iter_mut().zip(pair).zip(counts) {
                let x = lanes.mul(lanes.sub(lanes.load(x), mean), lanes.load(counts));
                *square = lanes.fma(x, x, *square);
            }
        }
        let variance = lanes.sum(lanes.add(squares[0], squares[1])) * inverse;
        let scale = lanes.splat(1.0 / (variance + norm.epsilon).sqrt());
        for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
            let centred = lanes.sub(lanes.load(x), mean);
            let y = lanes.fma(lanes.mul(centred, scale), lanes.load(weight), lanes.load(bias));
            lanes.store(y, x);
        }
    }
}

dispatch! {
    /// Adds a vector to sixteen-fold elements: `to += x`.
    pub fn add<'a>(x: &'a [f32], to: &'a mut [f32]) = add_with;
}

#[inline(always)]
fn add_with<L: Lanes>(lanes: L, x: &[f32], to: &mut [f32]) {
    for (x, to) in x.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0) {
        lanes.store(lanes.add(lanes.load(to), lanes.load(x)), to);
    }
}

dispatch! {
    /// Applies an activation function to sixteen-fold elements.
    pub fn apply_curve<'a>(curve: &'a Curve, values: &'a mut [f32]) = apply_curve_with;
}

#[inline(always)]
fn apply_curve_with<L: Lanes>(lanes: L, curve: &Curve, values: &mut [f32]) {
    for x in values.as_chunks_mut::<LANES>().0 {
        lanes.store(curve.apply(lanes, lanes.load(x)), x);
    }
}
