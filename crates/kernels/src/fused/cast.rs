//! Mixed precision by casts, where [the precision that holds](Precision::Cast) asks for it: what `torch.autocast` does.
//!
//! Products take their factors in half precision and give such an answer; sums with a residual, norms, softmax and GELU
//! are computed in single precision. Gradients pass casts the other way, so that those of single-precision parameters are
//! single-precision numbers.

use burn::tensor::{DType, FloatDType, Tensor};

use crate::Precision;

/// The tensor in half precision, if that is asked for; otherwise as it is.
pub fn halved<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match Precision::current() {
        Precision::Cast(half) => x.cast(half.dtype()),
        Precision::F32 | Precision::Bf16 => x,
    }
}

/// A tensor of half precision in single precision; any other as it is.
pub fn single<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_half(x.dtype()) { x.cast(FloatDType::F32) } else { x }
}

/// The product of matrices, in half precision if that is asked for.
///
/// # Shapes
/// - `left`: `[…, rows, inner]`
/// - `right`: `[…, inner, columns]`
/// - output: `[…, rows, columns]`
pub fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    halved(left).matmul(halved(right))
}

pub(super) fn is_half(kind: DType) -> bool {
    matches!(kind, DType::F16 | DType::BF16)
}
