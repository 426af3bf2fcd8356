//! Products of matrices that lie in larger arrays.

use std::marker::PhantomData;

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

/// Multiply-adds from which a product is worth several threads.
const MANY: usize = 192 * 192 * 192;

/// Writes `left * right`, `[m, k]` times `[k, n]`, whose rows follow each other, with all threads; or adds it.
pub(crate) fn large_product(values: &mut [f32], add: bool, sizes: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    if sizes[2] == 0 && !add {
        values.fill(0.0);
    }
    let many = sizes.iter().product::<usize>() >= MANY;
    let threads = if many { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None };
    // SAFETY: the slice is this function's alone.
    unsafe { Columns::new(values).product_with(threads, [0, sizes[1]], add, sizes, left, right) };
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, whose rows follow each other.
pub(crate) fn product(values: &mut [f32], [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    // SAFETY: the slice is this function's alone.
    unsafe { Columns::new(values).product([0, n], false, [m, n, k], left, right) };
}
