use proptest::prelude::*;

use super::*;
use crate::testing::{numbers, with_threads};
use crate::uninit::written;

#[test]
fn rounding_is_to_the_nearest_even() {
    let one = f32::from_bits(0x3f80_0000);
    for (from, to) in [
        (one, one),
        (0.0, 0.0),
        // Half of the last place goes to the even neighbour, more than half up.
        (f32::from_bits(0x3f80_8000), one),
        (f32::from_bits(0x3f81_8000), f32::from_bits(0x3f82_0000)),
        (f32::from_bits(0x3f80_8001), f32::from_bits(0x3f81_0000)),
        (-f32::from_bits(0x3f80_8001), -f32::from_bits(0x3f81_0000)),
        (f32::MAX, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
    ] {
        assert_eq!(rounded(from).to_bits(), to.to_bits(), "{from}");
    }
    for payload in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff] {
        assert!(rounded(f32::from_bits(payload)).is_nan());
    }
}

/// Left and right operands, either of which may be stored column by column.
fn operands<'a>(x: &'a [f32], y: &'a [f32], [m, n, k]: [usize; 3], columns: [bool; 2]) -> [Matrix<'a>; 2] {
    [
        if columns[0] { Matrix::dense(x, m).transposed() } else { Matrix::dense(x, k) },
        if columns[1] { Matrix::dense(y, k).transposed() } else { Matrix::dense(y, n) },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn products_are_those_of_rounded_operands(
        m in 1_usize..40, n in 1_usize..110, k in 1_usize..70, columns: [bool; 2], added: u8, seed: u64,
    ) {
        check([m, n, k], columns, added % 3, seed);
    }
}

#[test]
fn a_long_inner_dimension_is_summed_in_blocks() {
    for columns in [[false, false], [true, false], [false, true]] {
        check([9, 50, 4_101], columns, 1, 7);
        check([9, 50, 2_049], columns, 2, 8);
    }
}

/// `added` is 0 for a plain product, 1 for one with a bias, 2 for one added to numbers.
fn check(sizes @ [m, n, k]: [usize; 3], columns: [bool; 2], added: u8, seed: u64) {
    let (x, y) = (numbers(m * k, seed), numbers(k * n, seed.wrapping_add(1)));
    let [left, right] = operands(&x, &y, sizes, columns);
    let bias = numbers(n, seed.wrapping_add(2));
    let run = |product: fn(Target<'_>, [usize; 3], Matrix<'_>, Matrix<'_>)| {
        if added == 2 {
            let mut values = vec![3.0; m * n];
            product(Target::Sum(&mut values), sizes, left, right);
            return values;
        }
        // SAFETY: a product writes every element of its target.
        let [values] = unsafe {
            written([m * n], |[values]| {
                let target = if added == 1 { Target::Biased(values, &bias) } else { Target::New(values) };
                product(target, sizes, left, right);
            })
        };
        values
    };
    let values = run(product);
    for row in 0..m {
        for column in 0..n {
            let terms = (0..k).map(|inner| {
                let x = rounded(left.values[row * left.strides[0] + inner * left.strides[1]]);
                let y = rounded(right.values[inner * right.strides[0] + column * right.strides[1]]);
                f64::from(x) * f64::from(y)
            });
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            let before = [0.0, f64::from(bias[column]), 3.0][usize::from(added)];
            let expected = sum + before;
            let found = f64::from(values[row * n + column]);
            assert!(
                (found - expected).abs() <= 1e-6 * (size + 1.0),
                "{sizes:?} {columns:?} at {row}, {column}: {found} for {expected}"
            );
        }
    }
    let otherwise = run(portable_product);
    let near = values.iter().zip(&otherwise).all(|(x, y)| (x - y).abs() <= 1e-5 * (1.0 + k as f32));
    assert!(near, "{sizes:?} {columns:?}: the portable product differs");
}

#[test]
fn nan_stays_nan() {
    let (mut x, y) = (numbers(8 * 40, 1), numbers(40 * 48, 2));
    x[45] = f32::NAN;
    let mut values = vec![0.0; 8 * 48];
    product(Target::Sum(&mut values), [8, 48, 40], Matrix::dense(&x, 40), Matrix::dense(&y, 48));
    let rows: Vec<bool> = values.chunks(48).map(|row| row.iter().all(|x| x.is_nan())).collect();
    assert_eq!(rows, [false, true, false, false, false, false, false, false]);
}

#[test]
fn threads_change_no_bit() {
    let sizes @ [m, n, k] = [301, 130, 77];
    let (x, y) = (numbers(m * k, 1), numbers(k * n, 2));
    with_threads(|| {
        let mut values = vec![0.0; m * n];
        product(Target::Sum(&mut values), sizes, Matrix::dense(&x, k), Matrix::dense(&y, n));
        values
    });
}
