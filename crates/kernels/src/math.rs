//! Elementary functions on vectors of `f32`.

use pulp::Simd;

use crate::simd::{abs, clamp, select};

/// `e^x`, within 2 units in the last place where the result is a normal number, 0 below that, and not above `e^88.376`; NaN
/// stays NaN.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |value: f32| simd.splat_f32s(value);
    let clamped = clamp(simd, x, [-87.336_5, 88.376_26]);
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    let shifted = simd.mul_add_e_f32s(clamped, splat(std::f32::consts::LOG2_E), splat(12_582_912.0));
    let power = simd.sub_f32s(shifted, splat(12_582_912.0));
    // ln 2 in two parts, the first with few digits, so that the product is exact.
    let rest = simd.mul_add_e_f32s(power, splat(-0.693_359_4), clamped);
    let rest = simd.mul_add_e_f32s(power, splat(2.121_944_4e-4), rest);
    let mut sum = splat(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = simd.mul_add_e_f32s(sum, rest, splat(coefficient));
    }
    let sum = simd.mul_add_e_f32s(simd.mul_f32s(sum, rest), rest, simd.add_f32s(rest, splat(1.0)));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let scale = simd.transmute_f32s_u32s(simd.add_u32s(exponent, simd.splat_u32s(0x3f80_0000)));
    let small = simd.less_than_f32s(x, splat(-87.336_5));
    select(simd, small, splat(0.0), simd.mul_f32s(sum, scale))
}

/// The normal cumulative distribution function within 4e-7, and `e^(-x^2 / 2)`, the density up to a constant factor. NaN stays
/// NaN.
///
/// The complementary error function is `e^(-z^2)` times a polynomial in `1 / (1 + 0.41 z)` (the form of Abramowitz and
/// Stegun's 7.1.26, refitted with one more term): the relative error stays small far out in the tail, and the exponential
/// serves the derivative as well.
#[inline(always)]
pub fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let density = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), splat(-0.5)));
    let below = simd.mul_add_e_f32s(abs(simd, x), splat(0.41 * std::f32::consts::FRAC_1_SQRT_2), splat(1.0));
    let t = simd.div_f32s(splat(1.0), below);
    // Half of the fitted coefficients.
    let mut sum = splat(-0.089_634_2);
    for coefficient in [0.288_443_03, -0.098_553_37, 0.183_403_85, 0.099_323_89, 0.117_016_95] {
        sum = simd.mul_add_e_f32s(sum, t, splat(coefficient));
    }
    let tail = simd.mul_f32s(simd.mul_f32s(sum, t), density);
    let negative = simd.less_than_f32s(x, splat(0.0));
    (select(simd, negative, tail, simd.sub_f32s(splat(1.0), tail)), density)
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;
    use crate::testing::{any_float, arches, same};
    use crate::uninit::written;
    use proptest::prelude::*;
    use pulp::Arch;

    #[inline(always)]
    fn all<S: Simd>(simd: S, x: &[f32], exps: &mut [MaybeUninit<f32>], normals: &mut [MaybeUninit<f32>]) {
        lanes!(simd: S; x = x; {} => a = exps; exp(simd, x), b = normals; normal(simd, x).0);
    }

    kernel! {
        fn fill<'a>(x: &'a [f32], exps: &'a mut [MaybeUninit<f32>], normals: &'a mut [MaybeUninit<f32>]) -> () = all
    }

    /// The exponentials and the distribution function.
    fn run(arch: Arch, x: &[f32]) -> [Vec<f32>; 2] {
        // SAFETY: `lanes!` writes every element of its outputs.
        unsafe { written([x.len(); 2], |[exps, normals]| fill(arch, x, exps, normals)) }
    }

    #[test]
    fn functions_are_as_exact_as_they_say() {
        let x: Vec<f32> = (-400_003..=400_003).map(|step| step as f32 * 2.5e-5).collect();
        for arch in arches() {
            let [exps, normals] = run(arch, &x);
            for index in 0..x.len() {
                let exact = f64::from(x[index]);
                let relative = f64::from(exps[index]) / exact.exp() - 1.0;
                assert!(relative.abs() < 2.4e-7, "exp {exact}: {relative}");
                let below = 0.5 * libm::erfc(-exact / 2f64.sqrt());
                let error = f64::from(normals[index]) - below;
                assert!(error.abs() < 4e-7 && error.abs() < 1e-4 * below, "normal {exact}: {error}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        let x = [f32::NEG_INFINITY, -1e30, -104.0, -87.0, 88.0, 1e30, -0.0, f32::INFINITY, f32::NAN];
        for arch in arches() {
            let [exps, normals] = run(arch, &x);
            assert_eq!(exps[..3], [0.0; 3]);
            assert!((f64::from(exps[3]) / (-87f64).exp() - 1.0).abs() < 3e-7);
            assert!((f64::from(exps[4]) / 88f64.exp() - 1.0).abs() < 3e-7);
            assert!(exps[5] > 2e38 && exps[6] == 1.0 && exps[7] > 2e38 && exps[8].is_nan());
            for (index, whole) in [(0, 0.0), (1, 0.0), (5, 1.0), (7, 1.0)] {
                assert!(normals[index] == whole);
            }
            assert!(normals[8].is_nan());
        }
    }

    proptest! {
        /// Every instruction set against the portable one, over all bit patterns.
        #[test]
        fn instruction_sets_agree(x in prop::collection::vec(any_float(), 1..40)) {
            let [exps, normals] = run(Arch::Scalar, &x);
            for (&x, (&exp, &normal)) in x.iter().zip(exps.iter().zip(&normals)) {
                prop_assert_eq!((exp.is_nan(), normal.is_nan()), (x.is_nan(), x.is_nan()), "{}", x);
            }
            for arch in arches() {
                let found = run(arch, &x);
                same(&found[0], &exps, 5e-7)?;
                same(&found[1], &normals, 1e-6)?;
            }
        }
    }
}
