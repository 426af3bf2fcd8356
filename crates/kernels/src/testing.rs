//! Helpers of the kernels' tests.

use proptest::prelude::*;
use pulp::Arch;

use crate::philox::philox4x32;

/// Numbers between -2 and 2, the same for the same seed.
pub(crate) fn numbers(length: usize, seed: u64) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let blocks = (0..length.div_ceil(4)).flat_map(|block| philox4x32([block as u32, 1, 2, 3], key));
    blocks.take(length).map(|bits| (f64::from(bits) / f64::from(u32::MAX) * 4.0 - 2.0) as f32).collect()
}

/// Every value is within `tolerance` of the expected one, relative where that is above 1.
pub(crate) fn close(values: &[f32], expected: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(values.len(), expected.len());
    for (index, (&value, &expected)) in values.iter().zip(expected).enumerate() {
        let error = (f64::from(value) - expected).abs() / expected.abs().max(1.0);
        prop_assert!(error <= tolerance, "{}: {} instead of {}", index, value, expected);
    }
    Ok(())
}

/// Any float: uniform over bit patterns (infinities, NaN and subnormal numbers are rare there), or one of the special values.
pub(crate) fn any_float() -> impl Strategy<Value = f32> {
    let special = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE / 3.0, -1e-45, 0.0, -0.0];
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -100f32..100.0, prop::sample::select(special.to_vec())]
}

/// Both are NaN, the same infinity, or within `tolerance` of each other, relative where the expected one is above 1.
pub(crate) fn same(values: &[f32], expected: &[f32], tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(values.len(), expected.len());
    for (index, (&value, &expected)) in values.iter().zip(expected).enumerate() {
        let error = f64::from(value - expected).abs() / f64::from(expected).abs().max(1.0);
        let equal = value == expected || (value.is_nan() && expected.is_nan());
        prop_assert!(equal || error <= tolerance, "{}: {} instead of {}", index, value, expected);
    }
    Ok(())
}

/// Runs with one thread and with three: the results must be equal to the bit.
pub(crate) fn with_threads<T: Send + PartialEq + std::fmt::Debug>(run: impl Fn() -> T + Sync + Send) {
    let [one, three] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&run)
    });
    assert_eq!(one, three);
}

pub(crate) fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Every instruction set that this machine has.
pub(crate) fn arches() -> Vec<Arch> {
    let arches = vec![Arch::new(), Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    let arches = arches.into_iter().chain(pulp::x86::V3::try_new().map(Arch::V3)).collect();
    arches
}
