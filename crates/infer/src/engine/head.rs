//! The classification head.

use firebrand_arch::Pooling;
use firebrand_kernels::inference::{Epilogue, Isa, Norm, Operand, Output, PackedLinear, norm};

use super::layer::Function;

/// Pooling, a dense layer, and the output layer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) pooling: Pooling,
    pub(super) dense: Option<Dense>,
    pub(super) output: PackedLinear,
    pub(super) labels: usize,
    /// Width of the hidden states, padded.
    pub(super) hidden: usize,
}

/// The dense layer between pooling and the output layer.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) linear: PackedLinear,
    pub(super) activation: Option<Function>,
    pub(super) norm: Option<Norm>,
}

impl Head {
    /// Whether all tokens are pooled, rather than one.
    pub(super) fn pools_all(&self) -> bool {
        self.pooling == Pooling::Mean
    }

    /// The token that is pooled.
    pub(super) fn pooled(&self, ids: &[u32], padding: u32) -> usize {
        match self.pooling {
            // A text may contain the padding token: GPT-2 has none of its own.
            Pooling::Last => ids.iter().rposition(|&id| id != padding).unwrap_or(0),
            Pooling::First | Pooling::Mean => 0,
        }
    }

    /// The logits of pooled rows.
    pub(super) fn logits(&self, isa: Isa, mut pooled: Vec<f32>) -> Vec<Vec<f32>> {
        if let Some(dense) = &self.dense {
            pooled = self.apply(isa, &dense.linear, &pooled, dense.activation.as_ref());
            if let Some(own) = &dense.norm {
                norm(isa, own, &mut pooled);
            }
        }
        let logits = self.apply(isa, &self.output, &pooled, None);
        logits.chunks_exact(self.output.width()).map(|logits| logits[..self.labels].to_vec()).collect()
    }

    fn apply(&self, isa: Isa, linear: &PackedLinear, rows: &[f32], activation: Option<&Function>) -> Vec<f32> {
        let (count, width) = (rows.len() / self.hidden, linear.width());
        let mut operand = Operand::of_kind(linear);
        operand.resize(count, self.hidden);
        operand.as_mut().fill(isa, rows);
        let mut values = vec![0.0; count * width];
        let epilogue = activation.map_or(Epilogue::Store, Function::epilogue);
        let to = Output { values: &mut values, stride: width };
        linear.apply(isa, operand.rows(0..count), 0..linear.blocks(), epilogue, to);
        if let Some(activation) = activation {
            activation.finish(&mut values);
        }
        values
    }
}
