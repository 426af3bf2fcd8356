//! Helpers of the tests of fused operations.

use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use firebrand_kernels::Mask;
use firebrand_kernels::philox::philox4x32;

/// A dropout mask.
pub(crate) const MASK: Mask = Mask { seed: 5, step: 9, number: 2, probability: 0.3 };

/// Devices with gradients: `flex` with and without checkpointing, whose operations are fused, and, if this build has it,
/// `ndarray`, whose operations are Burn's own.
pub(crate) fn devices() -> Vec<Device> {
    let flex = [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()];
    flex.into_iter().chain(ndarray()).collect()
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "kept as a choice for as long as Burn has it")]
fn ndarray() -> Option<Device> {
    Some(Device::ndarray().autodiff())
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Option<Device> {
    None
}

/// Numbers between -2 and 2, the same for the same seed.
pub(crate) fn numbers<const D: usize>(shape: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    let length: usize = shape.iter().product();
    let bits = (0..length as u32).map(|place| philox4x32([place, 0, 0, 0], [seed, 7])[0]);
    let values: Vec<f32> = bits.map(|bits| (f64::from(bits) / f64::from(u32::MAX) * 4.0 - 2.0) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Dropout by its definition.
pub(crate) fn masked<const D: usize>(x: Tensor<D>, mask: Option<Mask>) -> Tensor<D> {
    let Some(mask) = mask else { return x };
    let length = x.dims().iter().product();
    let values: Vec<f32> = (0..length).map(|place| mask.value(place)).collect();
    let values = Tensor::from_data(TensorData::new(values, x.dims()), &x.device());
    x * values
}

pub(crate) fn close<const D: usize>(found: &Tensor<D>, expected: &Tensor<D>) {
    let tolerance = Tolerance::<f32>::rel_abs(2e-5, 2e-5);
    found.to_data().assert_approx_eq::<f32>(&expected.to_data(), tolerance);
}

/// Both functions have the same value and, for every input, the same gradient. The inputs are leaves of the graph, or products of
/// leaves with one, which have no other owner.
pub(crate) fn check<const D: usize, const N: usize>(
    inputs: [Tensor<D>; N],
    fused: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    plain: impl Fn([Tensor<D>; N]) -> Tensor<D>,
) {
    let run = |function: &dyn Fn([Tensor<D>; N]) -> Tensor<D>, whole: bool| {
        let leaves = inputs.clone().map(|input| input.detach().require_grad());
        let output = function(leaves.clone().map(|leaf| if whole { leaf } else { leaf * 1.0 }));
        let weights = numbers(output.dims(), 99, &output.device());
        let gradients = (output.clone() * weights).sum().backward();
        (output.inner(), leaves.map(|leaf| leaf.grad(&gradients).unwrap()))
    };
    let (expected, expected_gradients) = run(&plain, true);
    for whole in [false, true] {
        let (found, gradients) = run(&fused, whole);
        close(&found, &expected);
        for (found, expected) in gradients.iter().zip(&expected_gradients) {
            close(found, expected);
        }
    }
}
