//! The convolution over neighbouring tokens that larger DeBERTa v2 models apply after the first layer.

use firebrand_kernels::inference::{Epilogue, Isa, Norm, Operand, Output, PackedLinear, add, norm};

use super::layer::Function;

/// A convolution of the embeddings, added to the first layer's output, and a layer norm.
#[derive(Debug)]
pub(super) struct Convolution {
    /// For each place of the kernel, from the furthest before the token to the furthest after it: a linear layer in single
    /// precision. The middle one has the bias.
    pub(super) places: Vec<PackedLinear>,
    pub(super) activation: Function,
    pub(super) norm: Norm,
    /// Width of the hidden states, padded.
    pub(super) hidden: usize,
}

impl Convolution {
    /// Adds the convolution of the embeddings to the hidden states and normalises them. Beyond the ends of a text there are
    /// zeros.
    pub(super) fn apply(&self, isa: Isa, embedded: &[f32], lengths: &[usize], hidden: &mut [f32]) {
        let width = self.hidden;
        let middle = self.places.len() / 2;
        let mut sums = vec![0.0; hidden.len()];
        let mut start = 0;
        for &length in lengths {
            let text = start * width..(start + length) * width;
            let mut operand = Operand::of_kind(&self.places[middle]);
            operand.resize(length, width);
            operand.as_mut().fill(isa, &embedded[text.clone()]);
            for (place, linear) in self.places.iter().enumerate() {
                // Output row `r` reads input row `r + place - middle`.
                let (first_to, first_from) = (middle.saturating_sub(place), place.saturating_sub(middle));
                let count = length.saturating_sub(first_to.max(first_from));
                if count == 0 {
                    continue;
                }
                let to = Output { values: &mut sums[text.clone()][first_to * width..], stride: width };
                let rows = operand.rows(first_from..first_from + count);
                linear.apply(isa, rows, 0..linear.blocks(), Epilogue::Add, to);
            }
            start += length;
        }
        self.activation.apply(isa, &mut sums);
        add(isa, &sums, hidden);
        norm(isa, &self.norm, hidden);
    }
}
