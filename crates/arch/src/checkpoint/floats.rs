//! Floating-point types of stored weights.

use half::{bf16, f16};

/// The type of a stored float, little-endian in every file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatKind {
    F16,
    Bf16,
    F32,
    F64,
}

impl FloatKind {
    /// Bytes per value.
    pub(super) const fn size(self) -> u64 {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Appends the values as float32. A float64 is rounded; one beyond float32's range becomes infinite.
    pub(super) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F16 => extend(values, bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Self::Bf16 => extend(values, bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Self::F32 => extend(values, bytes, f32::from_le_bytes),
            Self::F64 => extend(values, bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        }
    }
}

fn extend<const N: usize>(values: &mut Vec<f32>, bytes: &[u8], read: impl Fn([u8; N]) -> f32) {
    values.extend(bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)));
}

/// An error message if the tensor holds a NaN or an infinity.
pub(super) fn not_finite(name: &str, values: &[f32]) -> Option<String> {
    let index = values.iter().position(|value| !value.is_finite())?;
    Some(format!("tensor `{name}` holds {} at index {index}", values[index]))
}
