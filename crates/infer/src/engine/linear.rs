//! From a checkpoint's linear layers to packed ones.

use firebrand_kernels::inference::{Int8Output, PackedFloat, PackedInt8, PackedLinear};

use crate::Precision;

/// The weights of a linear layer, a row for each output, and its bias.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    pub(crate) values: Values,
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// Weights, row-major.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Float(Vec<f32>),
    Int8 { values: Vec<i8>, scales: Vec<f32> },
}

/// An output of a packed layer: one of a linear layer's, with a factor; `None` is always zero.
pub(crate) type Place<'a> = Option<(&'a Linear, usize, f32)>;

impl Linear {
    fn bias(&self, output: usize) -> f32 {
        self.bias.as_ref().map_or(0.0, |bias| bias[output])
    }

    /// The weight from an input to an output.
    pub(crate) fn weight(&self, output: usize, input: usize) -> f32 {
        let index = output * self.inputs + input;
        match &self.values {
            Values::Float(values) => values[index],
            Values::Int8 { values, scales } => f32::from(values[index]) * scales[output],
        }
    }

    /// The layer as it is.
    pub(crate) fn pack(&self) -> PackedLinear {
        pack(self.values.precision(), self.outputs, self.inputs, None, |output| Some((self, output, 1.0)))
    }

    /// The layer in single precision.
    pub(crate) fn pack_floats(&self) -> PackedLinear {
        pack(Precision::Fp32, self.outputs, self.inputs, None, |output| Some((self, output, 1.0)))
    }

    /// The layer for inputs at other places of a row of `width`.
    pub(crate) fn pack_for(&self, width: usize, places: &[usize]) -> PackedLinear {
        pack(self.values.precision(), self.outputs, width, Some(places), |output| Some((self, output, 1.0)))
    }
}

impl Values {
    fn precision(&self) -> Precision {
        match self {
            Self::Float(_) => Precision::Fp32,
            Self::Int8 { .. } => Precision::Int8,
        }
    }
}

/// Packs outputs of layers that are all of this precision. An input `k` is found at `places[k]` of a row of `width`, or at `k`.
pub(crate) fn pack<'a>(
    precision: Precision,
    outputs: usize,
    width: usize,
    places: Option<&[usize]>,
    place: impl Fn(usize) -> Place<'a>,
) -> PackedLinear {
    match precision {
        Precision::Int8 => PackedLinear::Int8(PackedInt8::new(outputs, width, places, |index| {
            let (linear, output, factor) = place(index)?;
            let Values::Int8 { values, scales } = &linear.values else { return None };
            Some(Int8Output {
                weights: &values[output * linear.inputs..(output + 1) * linear.inputs],
                scale: scales[output] * factor,
                bias: linear.bias(output) * factor,
            })
        })),
        Precision::Fp32 => {
            let mut packed = PackedFloat::new(outputs, width);
            for index in 0..outputs {
                let Some((linear, output, factor)) = place(index) else { continue };
                packed.set_bias(index, linear.bias(output) * factor);
                for input in 0..linear.inputs {
                    let at = places.map_or(input, |places| places[input]);
                    packed.set_weight(index, at, linear.weight(output, input) * factor);
                }
            }
            PackedLinear::Float(packed)
        }
    }
}
