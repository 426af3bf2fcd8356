//! Between texts packed one after the other and texts padded to the longest.

use burn::tensor::{Device, Tensor};
use firebrand_kernels::Texts;

/// Whether batches are worth packing on a device: its operations take texts of different lengths, so no padding is computed.
pub fn packs(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return super::operation::is_supported(&Tensor::<1>::zeros([1], device));
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

/// Pads packed texts with zeros.
///
/// # Shapes
/// - `x`: `[1, tokens, width]`
/// - output: `[texts, longest, width]`
pub fn pad(x: Tensor<3>, texts: &Texts) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if super::operation::is_supported(&x) {
        return super::operation::run(flex::Pad(texts.clone()), [x.into_dispatch()]);
    }
    let ([_, _, width], longest) = (x.dims(), texts.longest());
    let rows = texts.starts().zip(texts.lengths()).map(|(start, &length)| {
        let text = x.clone().slice([0..1, start..start + length, 0..width]);
        let padding = Tensor::zeros([1, longest - length, width], (&x.device(), x.dtype()));
        if length == longest { text } else { Tensor::cat(vec![text, padding], 1) }
    });
    Tensor::cat(rows.collect(), 0)
}

/// Packs padded texts; the inverse of [`pad`].
///
/// # Shapes
/// - `x`: `[texts, longest, width]`
/// - output: `[1, tokens, width]`
pub fn unpad(x: Tensor<3>, texts: &Texts) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if super::operation::is_supported(&x) {
        return super::operation::run(flex::Unpad(texts.clone()), [x.into_dispatch()]);
    }
    let [_, _, width] = x.dims();
    let rows = texts.lengths().iter().enumerate();
    let rows = rows.map(|(row, &length)| x.clone().slice([row..row + 1, 0..length, 0..width]));
    Tensor::cat(rows.collect(), 1)
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::flex::FlexTensor;
    use firebrand_kernels::Texts;

    use crate::operation::{Fused, contiguous, slice, tensor};

    fn pad(texts: &Texts, x: FlexTensor) -> FlexTensor {
        let (x, [.., width]) = (contiguous(x.clone()), x.shape().dims::<3>());
        tensor(texts.pad(slice(&x), width), [texts.lengths().len(), texts.longest(), width])
    }

    fn unpad(texts: &Texts, x: FlexTensor) -> FlexTensor {
        let (x, [.., width]) = (contiguous(x.clone()), x.shape().dims::<3>());
        tensor(texts.unpad(slice(&x), width), [1, texts.tokens(), width])
    }

    #[derive(Debug, Clone)]
    pub(super) struct Pad(pub(super) Texts);

    impl Fused<1> for Pad {
        type Saved = ();

        fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
            (pad(&self.0, x), ())
        }

        fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
            [Some(unpad(&self.0, gradient))]
        }
    }

    #[derive(Debug, Clone)]
    pub(super) struct Unpad(pub(super) Texts);

    impl Fused<1> for Unpad {
        type Saved = ();

        fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
            (unpad(&self.0, x), ())
        }

        fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
            [Some(pad(&self.0, gradient))]
        }
    }
}
