//! Sums of whole slices and of columns.

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::simd::{TASK, add, rows_per_task};

/// The sum of squares, for gradient norms.
pub fn sum_of_squares(arch: Arch, x: &[f32]) -> f64 {
    let parts: Vec<f64> = x.par_chunks(TASK).map(|x| squares(arch, x)).collect();
    parts.iter().sum()
}

kernel! { fn squares<'a>(x: &'a [f32]) -> f64 = squares_with }

#[inline(always)]
fn squares_with<S: Simd>(simd: S, x: &[f32]) -> f64 {
    // Short runs in single precision, their sums in double. A loop, because closures passed to iterators are compiled without
    // this function's instruction set: three times the time.
    let mut sum = 0.0;
    for x in x.chunks(1024) {
        let mut total = simd.splat_f32s(0.0);
        lanes!(simd: S; x = x; { total = simd.mul_add_e_f32s(x, x, total); });
        sum += f64::from(simd.reduce_sum_f32s(total));
    }
    sum
}

/// The column sums of a matrix with rows of `width`: the gradient of a bias.
pub fn column_sums(arch: Arch, x: &[f32], width: usize) -> Vec<f32> {
    let parts: Vec<Vec<f32>> = x
        .par_chunks(rows_per_task(width) * width)
        .map(|rows| {
            let mut sums = vec![0.0; width];
            add_rows(arch, rows, &mut sums);
            sums
        })
        .collect();
    in_order(parts, width)
}

kernel! {
    /// Adds each row of a matrix to `sums`.
    pub(crate) fn add_rows<'a>(rows: &'a [f32], sums: &'a mut [f32]) -> () = add_rows_with
}

#[inline(always)]
fn add_rows_with<S: Simd>(simd: S, rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks_exact(sums.len()) {
        add(simd, row, sums);
    }
}

/// The sum of the tasks' results, in the order of the tasks.
pub(crate) fn in_order(parts: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_else(|| vec![0.0; width]);
    for part in parts {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arches, close, numbers};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_right(rows in 1usize..90, width in 1usize..70, seed: u64) {
            let x = numbers(rows * width, seed);
            let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            let columns: Vec<f64> =
                (0..width).map(|column| (0..rows).map(|row| f64::from(x[row * width + column])).sum()).collect();
            for arch in arches() {
                prop_assert!((sum_of_squares(arch, &x) / squares - 1.0).abs() < 1e-5);
                close(&column_sums(arch, &x, width), &columns, 1e-5)?;
            }
        }
    }

    #[test]
    fn many_tasks_add_up() {
        let x = vec![0.5; 3 * TASK + 5];
        assert_eq!(sum_of_squares(Arch::new(), &x), 0.25 * x.len() as f64);
        assert_eq!(column_sums(Arch::new(), &vec![1.0; 70_000 * 3], 3), [70_000.0; 3]);
    }
}
