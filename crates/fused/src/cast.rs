//! Mixed precision by casts, as `torch.autocast` does it, where the [current precision](Precision::Cast) asks for it.
//!
//! Matrix products take and give half precision; residual sums, norms, softmax and GELU are computed in single precision.
//! Gradients pass the casts in reverse, so parameters in single precision get gradients in single precision.

use burn::tensor::{DType, FloatDType, Tensor};
use firebrand_kernels::{Half, Precision};

/// Casts to half precision, if the current precision asks for that; otherwise returns the tensor as it is.
pub fn to_half<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match Precision::current() {
        Precision::Cast(Half::Bf16) => x.cast(FloatDType::BF16),
        Precision::Cast(Half::F16) => x.cast(FloatDType::F16),
        Precision::F32 | Precision::Bf16 => x,
    }
}

/// Casts half precision to single precision; any other tensor is returned as it is.
pub fn to_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_half(x.dtype()) { x.cast(FloatDType::F32) } else { x }
}

/// The matrix product, in half precision if the current precision asks for that.
///
/// # Shapes
/// - `left`: `[…, rows, inner]`
/// - `right`: `[…, inner, columns]`
/// - output: `[…, rows, columns]`
pub fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    to_half(left).matmul(to_half(right))
}

pub(super) fn is_half(kind: DType) -> bool {
    matches!(kind, DType::F16 | DType::BF16)
}
