//! Products of matrices that lie in larger arrays.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::simd::rows_per_task;
use crate::uninit::written;

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

// SAFETY: it is a mutable slice but for where its users write, and they promise for each write that no other task does there.
unsafe impl Send for Columns<'_> {}
// SAFETY: as above.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    /// Memory that need not be initialised: what is not yet written must not be added to.
    pub(crate) fn new(values: &'a mut [MaybeUninit<f32>]) -> Self {
        Self { start: values.as_mut_ptr().cast(), length: values.len(), array: PhantomData }
    }

    /// Writes `left * right`, `[m, k]` times `[k, n]`, to where rows of `stride` begin at `place`; or adds it to what is there.
    ///
    /// # Safety
    /// No other task reads or writes these elements meanwhile; to be added to, they are initialised.
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
        // touches the target, and that it is initialised where it is added to.
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

/// Where a product is written, its rows one after the other.
pub(crate) enum Target<'a> {
    /// Memory that holds nothing yet.
    New(&'a mut [MaybeUninit<f32>]),
    /// The same, with this bias added to each row.
    Biased(&'a mut [MaybeUninit<f32>], &'a [f32]),
    /// Numbers that the product is added to.
    Sum(&'a mut [f32]),
}

impl<'a> Target<'a> {
    fn len(&self) -> usize {
        match self {
            Self::New(values) | Self::Biased(values, _) => values.len(),
            Self::Sum(values) => values.len(),
        }
    }

    /// With the bias, if any, written: the product is added to it.
    fn with_bias_written(self) -> Self {
        match self {
            Self::Biased(values, bias) => Self::Sum(write_rows(values, bias)),
            target => target,
        }
    }

    /// The memory, initialised or not.
    ///
    /// # Safety
    /// Only numbers may be written to it, never uninitialised memory.
    pub(crate) unsafe fn into_memory(self) -> &'a mut [MaybeUninit<f32>] {
        match self {
            Self::New(values) | Self::Biased(values, _) => values,
            // SAFETY: the types have the same layout, and no element becomes uninitialised, as the caller promises.
            Self::Sum(values) => unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<f32>]) },
        }
    }

    /// Writes the product of matrices without inner dimension: zeros.
    pub(crate) fn write_nothing(self) {
        if let Self::New(values) = self.with_bias_written() {
            values.fill(MaybeUninit::new(0.0));
        }
    }
}

/// Writes the same row again and again.
fn write_rows<'a>(values: &'a mut [MaybeUninit<f32>], row: &[f32]) -> &'a mut [f32] {
    let rows = values.par_chunks_mut(row.len().max(1)).with_min_len(rows_per_task(row.len()));
    rows.for_each(|values| {
        values.write_copy_of_slice(row);
    });
    // SAFETY: every chunk was just written.
    unsafe { values.assume_init_mut() }
}

/// Multiply-adds from which a product is worth several threads.
const MANY: usize = 192 * 192 * 192;

/// Writes `left * right`, `[m, k]` times `[k, n]`, with all threads.
pub(crate) fn large_product(target: Target<'_>, sizes @ [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    assert_eq!(target.len(), m * n);
    if k == 0 {
        return target.write_nothing();
    }
    let target = target.with_bias_written();
    let add = matches!(target, Target::Sum(_));
    let many = sizes.iter().product::<usize>() >= MANY;
    let threads = if many { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    // SAFETY: the memory is this function's alone, `gemm` writes numbers, and a sum is initialised.
    unsafe { Columns::new(target.into_memory()).product_with(threads, [0, n], add, sizes, left, right) };
}

/// Writes `left` times the transpose of `right`, `[m, k]` times `[n, k]`, both with rows one after the other, with all threads.
///
/// `gemm` copies a matrix that it reads across its rows one element at a time, on one thread. For a weight beside few rows on
/// the left, that takes several times as long as the product.
pub(crate) fn product_with_transpose(target: Target<'_>, [m, n, k]: [usize; 3], left: &[f32], right: &[f32]) {
    if m * (n + k) >= n * k {
        let right = transpose(right, k);
        return large_product(target, [m, n, k], Matrix::dense(left, k), Matrix::dense(&right, n));
    }
    // The product's transpose, so that the small matrices are transposed and not the large one.
    let left = transpose(left, k);
    let product =
        |target: Target<'_>| large_product(target, [n, m, k], Matrix::dense(right, k), Matrix::dense(&left, m));
    let target = target.with_bias_written();
    let transposed = match &target {
        Target::Sum(values) => {
            let mut transposed = transpose(values, n);
            product(Target::Sum(&mut transposed));
            transposed
        }
        Target::New(_) | Target::Biased(..) => {
            // SAFETY: a product writes every element of its target.
            let [transposed] = unsafe { written([n * m], |[transposed]| product(Target::New(transposed))) };
            transposed
        }
    };
    // SAFETY: numbers are written.
    transpose_into(&transposed, m, unsafe { target.into_memory() });
}

/// Rows and columns of a block that is transposed at once.
const BLOCK: usize = 16;

/// The transpose of a matrix with rows of this width.
fn transpose(values: &[f32], width: usize) -> Vec<f32> {
    // SAFETY: there is a place in the transpose for each element.
    let [transposed] = unsafe { written([values.len()], |[transposed]| transpose_into(values, width, transposed)) };
    transposed
}

/// Writes every element of a target as long as the matrix.
fn transpose_into(values: &[f32], width: usize, transposed: &mut [MaybeUninit<f32>]) {
    assert!(transposed.len() == values.len() && values.len().is_multiple_of(width.max(1)));
    let height = values.len().checked_div(width).unwrap_or(0);
    if height == 0 {
        return;
    }
    let tasks = transposed.par_chunks_mut(BLOCK * height).with_min_len((1 << 15) / (BLOCK * height) + 1).enumerate();
    tasks.for_each(|(index, transposed)| {
        let (start, columns) = (index * BLOCK, transposed.len() / height);
        for row in (0..height).step_by(BLOCK) {
            let rows = BLOCK.min(height - row);
            if rows == BLOCK && columns == BLOCK {
                let mut block = [[0.0; BLOCK]; BLOCK];
                for (place, block) in block.iter_mut().enumerate() {
                    block.copy_from_slice(&values[(row + place) * width + start..][..BLOCK]);
                }
                for (column, transposed) in transposed.chunks_exact_mut(height).enumerate() {
                    let transposed = &mut transposed[row..row + BLOCK];
                    for (transposed, block) in transposed.iter_mut().zip(&block) {
                        transposed.write(block[column]);
                    }
                }
            } else {
                for column in 0..columns {
                    for place in row..row + rows {
                        transposed[column * height + place].write(values[place * width + start + column]);
                    }
                }
            }
        }
    });
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, on this thread.
pub(crate) fn product(values: &mut [f32], [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    // SAFETY: the slice is this function's alone, and `gemm` writes numbers.
    unsafe { Columns::new(Target::Sum(values).into_memory()).product([0, n], false, [m, n, k], left, right) };
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
            let mut found = vec![3.0; m * n];
            if add {
                product_with_transpose(Target::Sum(&mut found), [m, n, k], &left, &right);
            } else {
                // SAFETY: a product writes every element of its target.
                [found] = unsafe {
                    written([m * n], |[found]| product_with_transpose(Target::New(found), [m, n, k], &left, &right))
                };
            }
            close(&found, &expected, 1e-5)?;
        }
    }
}
