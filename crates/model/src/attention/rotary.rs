//! Rotary position embeddings ([arXiv 2104.09864](https://arxiv.org/abs/2104.09864)).

use burn::tensor::{Device, Tensor, TensorData};
use firebrand_fused::to_f32;

/// The rotation of each token, for heads of one size.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    /// `[1, positions, 1, size]`.
    cosine: Tensor<4>,
    /// `[1, positions, 1, size]`.
    sine: Tensor<4>,
}

impl Rotation {
    /// For tokens at these positions in their texts.
    pub(super) fn new(positions: &[usize], size: usize, theta: f64, device: &Device) -> Self {
        let half = size / 2;
        // In float32 throughout, as the reference: its rounding shows at far positions.
        let frequency = |pair: usize| 1.0f32 / (theta as f32).powf((2 * pair) as f32 / size as f32);
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        let table = |wave: fn(f32) -> f32| {
            let values: Vec<f32> = positions
                .iter()
                .flat_map(|&position| {
                    let half = frequencies.iter().map(move |frequency| wave(position as f32 * frequency));
                    half.clone().chain(half)
                })
                .collect();
            Tensor::from_data(TensorData::new(values, [1, positions.len(), 1, 2 * half]), device)
        };
        Self { cosine: table(f32::cos), sine: table(f32::sin) }
    }

    /// Rotates each pair of a head's elements: one in its first half, one in its second.
    ///
    /// # Shapes
    /// - `x` and output: `[rows, length, hidden]`, heads one after the other
    pub(super) fn rotate(&self, x: Tensor<3>, heads: usize) -> Tensor<3> {
        let [rows, length, hidden] = x.dims();
        let size = hidden / heads;
        let x = to_f32(x).reshape([rows, length, heads, size]);
        let half = |range| x.clone().slice([0..rows, 0..length, 0..heads, range]);
        let rotated_half = Tensor::cat(vec![half(size / 2..size).neg(), half(0..size / 2)], 3);
        let rotated = x * self.cosine.clone() + rotated_half * self.sine.clone();
        rotated.reshape([rows, length, hidden])
    }
}
