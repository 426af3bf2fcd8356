//! Products of small matrices that lie in larger arrays.

use std::marker::PhantomData;

/// A matrix to read: its elements' distances along rows and columns, from the start of the slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// One whose rows follow each other.
    pub(super) fn dense(values: &'a [f32], width: usize) -> Self {
        Self { values, strides: [width, 1] }
    }

    /// Without the first rows.
    pub(super) fn from(self, row: usize) -> Self {
        Self { values: &self.values[row * self.strides[0]..], ..self }
    }

    pub(super) fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { strides: [column, row], ..self }
    }
}

/// An array into whose columns several tasks write, each into its own.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    start: *mut f32,
    length: usize,
    array: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a mutable slice but for where its users write, and they say for each write that no other task does there.
unsafe impl Send for Columns<'_> {}
// SAFETY: as above.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    pub(super) fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), length: values.len(), array: PhantomData }
    }

    /// Writes `left * right`, `[m, k]` times `[k, n]`, to where rows of `stride` begin at `place`; or adds it.
    ///
    /// # Safety
    /// No other task reads or writes these elements meanwhile.
    pub(super) unsafe fn product(
        self,
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
                gemm::Parallelism::None,
            );
        }
    }
}

/// Writes `left * right`, `[m, k]` times `[k, n]`, whose rows follow each other.
pub(super) fn product(values: &mut [f32], [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    // SAFETY: the slice is this function's alone.
    unsafe { Columns::new(values).product([0, n], false, [m, n, k], left, right) };
}
