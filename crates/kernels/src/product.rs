//! Products of matrices that lie in larger arrays.

use std::marker::PhantomData;

use rayon::prelude::*;

use crate::simd::rows_per_task;

/// A matrix to read: its elements' distances along rows and columns, from the start of the slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// One whose rows follow each other.
    pub(crate) fn dense(values: &'a [f32], width: usize) -> Self {
        Self { values, strides: [width, 1] }
    }

    /// Without the first rows.
    pub(crate) fn from(self, row: usize) -> Self {
        Self { values: &self.values[row * self.strides[0]..], ..self }
    }

    /// Without the first columns.
    pub(crate) fn columns_from(self, column: usize) -> Self {
        Self { values: &self.values[column * self.strides[1]..], ..self }
    }

    pub(crate) fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { strides: [column, row], ..self }
    }
}

/// An array into whose columns several tasks write, each into its own.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    start: *mut f32,
    length: usize,
    array: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a mutable slice but for where its users write, and they say for each write that no other task does there.
unsafe impl Send for Columns<'_> {}
// SAFETY: as above.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    pub(crate) fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), length: values.len(), array: PhantomData }
    }

    /// Writes `left * right`, `[m, k]` times `[k, n]`, to where rows of `stride` begin at `place`; or adds it.
    ///
    /// # Safety
    /// No other task reads or writes these elements meanwhile.
    pub(crate) unsafe fn product(
        self,
        [place, stride]: [usize; 2],
        add: bool,
        [m, n, k]: [usize; 3],
        left: Matrix<'_>,
        right: Matrix<'_>,
    ) {
        // SAFETY: as promised to this function.
        unsafe { self.product_with(gemm::Parallelism::None, [place, stride], add, [m, n, k], left, right) };
    }

    /// # Safety
    /// As for [`Columns::product`].
    unsafe fn product_with(
        self,
        threads: gemm::Parallelism,
        [place, stride]: [usize; 2],
        add: bool,
        [m, n, k]: [usize; 3],
        left: Matrix<'_>,
        right: Matrix<'_>,
    ) {
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        let reach =
            |[rows, columns]: [usize; 2], strides: [usize; 2]| (rows - 1) * strides[0] + (columns - 1) * strides[1];
        assert!(place + reach([m, n], [stride, 1]) < self.length);
        assert!(reach([m, k], left.strides) < left.values.len() && reach([k, n], right.strides) < right.values.len());
        let [[left_row, left_column], [right_row, right_column]] =
            [left, right].map(|matrix| matrix.strides.map(|stride| stride as isize));
        // SAFETY: all three matrices lie within their arrays, as just asserted; the caller promises that nobody else
        // touches what is written.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                self.start.add(place),
                1,
                stride as isize,
                add,
                left.values.as_ptr(),
                left_column,
                left_row,
                right.values.as_ptr(),
                right_column,
                right_row,
                1.0,
                1.0,
                false,
                false,
                false,
                threads,
            );
        }
    }
}

/// What a product is added to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Addend<'a> {
    Nothing,
    /// To each row, the same.
    Bias(&'a [f32]),
    /// What is there already.
    Values,
}

/// Multiply-adds from which a product is worth several threads.
const MANY: usize = 192 * 192 * 192;

/// What a product of rows of `width` is added to, alone.
pub(crate) fn start(values: &mut [f32], addend: Addend<'_>, width: usize) {
    match addend {
        Addend::Nothing => values.fill(0.0),
        Addend::Values => (),
        Addend::Bias(bias) => {
            let rows = values.par_chunks_mut(width.max(1));
            rows.with_min_len(rows_per_task(width)).for_each(|row| row.copy_from_slice(bias));
        }
    }
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, whose rows follow each other, with all threads; the addend is added.
pub(crate) fn large_product(
    values: &mut [f32],
    addend: Addend<'_>,
    sizes: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    let adds = !matches!(addend, Addend::Nothing);
    if sizes[2] == 0 || adds {
        start(values, addend, sizes[1]);
    }
    let many = sizes.iter().product::<usize>() >= MANY;
    let threads = if many { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    // SAFETY: the slice is this function's alone.
    unsafe { Columns::new(values).product_with(threads, [0, sizes[1]], adds, sizes, left, right) };
}

/// Writes or adds `left` times the transpose of `right`, `[m, k]` times `[n, k]`, all with rows that follow each other, with
/// all threads.
///
/// Of a matrix that is to be read across its rows, `gemm` copies one element after the other, on one thread; where the matrix
/// is a weight and there are few rows on the left, that takes several times as long as the product.
pub(crate) fn product_with_transpose(
    values: &mut [f32],
    add: bool,
    [m, n, k]: [usize; 3],
    left: &[f32],
    right: &[f32],
) {
    let addend = if add { Addend::Values } else { Addend::Nothing };
    if m * (n + k) < n * k {
        // The product's transpose, for which the small matrices are transposed and not the large one.
        let mut turned = if add { transpose(values, n) } else { vec![0.0; n * m] };
        let left = transpose(left, k);
        large_product(&mut turned, addend, [n, m, k], Matrix::dense(right, k), Matrix::dense(&left, m));
        transpose_into(&turned, m, values);
    } else {
        let right = transpose(right, k);
        large_product(values, addend, [m, n, k], Matrix::dense(left, k), Matrix::dense(&right, n));
    }
}

/// Rows and columns of a block that is transposed at once.
const BLOCK: usize = 16;

/// The transpose of a matrix with rows of this width.
fn transpose(values: &[f32], width: usize) -> Vec<f32> {
    let mut turned = vec![0.0; values.len()];
    transpose_into(values, width, &mut turned);
    turned
}

fn transpose_into(values: &[f32], width: usize, turned: &mut [f32]) {
    let height = values.len().checked_div(width).unwrap_or(0);
    if height == 0 {
        return;
    }
    let tasks = turned.par_chunks_mut(BLOCK * height).with_min_len((1 << 15) / (BLOCK * height) + 1).enumerate();
    tasks.for_each(|(index, turned)| {
        let (start, columns) = (index * BLOCK, turned.len() / height);
        for row in (0..height).step_by(BLOCK) {
            let rows = BLOCK.min(height - row);
            if rows == BLOCK && columns == BLOCK {
                let mut block = [[0.0; BLOCK]; BLOCK];
                for (place, block) in block.iter_mut().enumerate() {
                    block.copy_from_slice(&values[(row + place) * width + start..][..BLOCK]);
                }
                for (column, turned) in turned.chunks_exact_mut(height).enumerate() {
                    let turned = &mut turned[row..row + BLOCK];
                    for (turned, block) in turned.iter_mut().zip(&block) {
                        *turned = block[column];
                    }
                }
            } else {
                for column in 0..columns {
                    for place in row..row + rows {
                        turned[column * height + place] = values[place * width + start + column];
                    }
                }
            }
        }
    });
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, whose rows follow each other.
pub(crate) fn product(values: &mut [f32], [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    // SAFETY: the slice is this function's alone.
    unsafe { Columns::new(values).product([0, n], false, [m, n, k], left, right) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{close, numbers};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_transpose_is_multiplied_with(m in 0usize..70, n in 1usize..50, k in 1usize..50, add: bool, seed: u64) {
            let (left, right) = (numbers(m * k, seed), numbers(n * k, !seed));
            let mut expected = vec![0.0; m * n];
            for row in 0..m {
                for column in 0..n {
                    let terms = (0..k).map(|x| f64::from(left[row * k + x]) * f64::from(right[column * k + x]));
                    expected[row * n + column] = terms.sum::<f64>() + if add { 3.0 } else { 0.0 };
                }
            }
            let mut found = vec![if add { 3.0 } else { f32::NAN }; m * n];
            product_with_transpose(&mut found, add, [m, n, k], &left, &right);
            close(&found, &expected, 1e-5)?;
        }
    }
}
