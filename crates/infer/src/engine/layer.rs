//! A transformer layer's parameters.

use firebrand_arch::Activation;
use firebrand_kernels::inference::{Curve, CurveKind, Epilogue, Isa, Norm, PackedLinear, apply_curve};

use super::positions::Relative;

/// Attention and feed-forward.
#[derive(Debug)]
pub(super) struct Layer {
    /// For each head, its queries (scaled), keys and values.
    pub(super) projections: PackedLinear,
    /// Of the concatenated heads.
    pub(super) output: PackedLinear,
    /// Of attention's input (pre-norm), or of the residual sum.
    pub(super) attention_norm: Option<Norm>,
    pub(super) up: PackedLinear,
    pub(super) gate: Option<PackedLinear>,
    pub(super) down: PackedLinear,
    pub(super) activation: Function,
    /// Of feed-forward's input (pre-norm), or of the residual sum.
    pub(super) mlp_norm: Norm,
    /// What attention needs to compare contents with distances.
    pub(super) relative: Relative,
}

/// An activation function, ready to be applied.
#[derive(Debug, Clone)]
pub(super) enum Function {
    Curve(Box<Curve>),
    Relu,
    Tanh,
}

impl Function {
    pub(super) fn new(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => Self::Curve(Box::new(Curve::new(CurveKind::Gelu))),
            Activation::GeluTanh => Self::Curve(Box::new(Curve::new(CurveKind::GeluTanh))),
            Activation::Silu => Self::Curve(Box::new(Curve::new(CurveKind::Silu))),
            Activation::Relu => Self::Relu,
            Activation::Tanh => Self::Tanh,
        }
    }

    /// The epilogue of a product that applies the function, or is followed by [`finish`](Self::finish).
    pub(super) fn epilogue(&self) -> Epilogue<'_> {
        match self {
            Self::Curve(curve) => Epilogue::Curve(curve),
            Self::Relu => Epilogue::Relu,
            Self::Tanh => Epilogue::Store,
        }
    }

    /// Applies the function.
    pub(super) fn apply(&self, isa: Isa, values: &mut [f32]) {
        match self {
            Self::Curve(curve) => apply_curve(isa, curve, values),
            Self::Relu => values.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = 0.0),
            Self::Tanh => self.finish(values),
        }
    }

    /// Applies what the epilogue has not.
    pub(super) fn finish(&self, values: &mut [f32]) {
        match self {
            Self::Tanh => values.iter_mut().for_each(|value| *value = libm::tanhf(*value)),
            Self::Curve(_) | Self::Relu => (),
        }
    }
}
