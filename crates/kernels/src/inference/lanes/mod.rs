//! Vectors of sixteen numbers on every instruction set, with the same results to the bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

/// The operations on vectors of sixteen single-precision numbers or 32-bit integers.
///
/// A value of this type is a proof that the processor has the instructions. Each operation gives the same bits on every
/// instruction set, for finite numbers: fused multiply-add rounds once, sums over a vector are taken in one order.
pub(crate) trait Lanes: Copy {
    /// Sixteen single-precision numbers.
    type F: Copy;
    /// Sixteen 32-bit integers.
    type I: Copy;

    /// Rows and blocks of a tile whose sums stay in registers, in products of floats.
    const FLOAT_TILE: [usize; 2];
    /// The same in products of int8.
    const INT_TILE: [usize; 2];

    fn splat(self, x: f32) -> Self::F;
    fn load(self, x: &[f32; 16]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; 16]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a` where it is greater, else `b`: `b` where one of them is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a` where it is less, else `b`: `b` where one of them is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, x: Self::F) -> Self::F;

    fn splat_int(self, x: i32) -> Self::I;
    fn load_int(self, x: &[i32; 16]) -> Self::I;
    /// `a - b c`, wrapping.
    fn sub_product(self, a: Self::I, b: Self::I, c: Self::I) -> Self::I;
    /// The nearest integers, ties to even. The numbers must be within the integers' range.
    fn round(self, x: Self::F) -> Self::I;
    /// The integers below or at these numbers, which are not negative.
    fn truncate(self, x: Self::F) -> Self::I;
    fn float(self, x: Self::I) -> Self::F;
    /// Two to these powers, from -126 to 127.
    fn power_of_two(self, n: Self::I) -> Self::F;
    /// The elements of a table with these indices, from 0 to 15.
    fn lookup(self, table: &[f32; 16], indices: Self::I) -> Self::F;
    /// As bytes; integers beyond their range become the nearest byte.
    fn store_bytes(self, x: Self::I, to: &mut [u8; 16]);

    /// Row `i` of the result has element `i` of every row.
    #[inline(always)]
    fn transpose(self, rows: [Self::F; 16]) -> [Self::F; 16] {
        let mut values = [[0.0; 16]; 16];
        for (row, to) in rows.into_iter().zip(&mut values) {
            self.store(row, to);
        }
        std::array::from_fn(|column| self.load(&std::array::from_fn(|row| values[row][column])))
    }

    /// The sum of all elements: of each with the one eight places further, then four, two and one.
    fn sum(self, x: Self::F) -> f32;
    /// The largest element, in the same order.
    fn largest(self, x: Self::F) -> f32;
    /// The least element, in the same order.
    fn least(self, x: Self::F) -> f32;

    /// For `R` rows of floats and `B` blocks of sixteen columns, writes the sums over `depth` elements, in their order; with `ADD`,
    /// they go on from the sums that are there.
    ///
    /// # Safety
    /// Row `r` begins at `rows + r * row_stride` and has `depth` elements; element `k` of block `b` is the vector at
    /// `blocks + b * block_stride + k * stride`; there is room for a vector at `to + r * to_stride + b * 16`.
    unsafe fn float_tile<const R: usize, const B: usize, const ADD: bool>(
        self,
        rows: Strided<f32>,
        blocks: Blocks<f32>,
        depth: usize,
        to: StridedMut<f32>,
    );

    /// For `R` rows of bytes and `B` blocks of sixteen columns of int8, writes the exact sums over `4 * depth` elements.
    ///
    /// # Safety
    /// As of [`float_tile`](Self::float_tile), but each row has `4 * depth` elements, and each vector of a block has four
    /// elements of its first column, four of its second, …
    unsafe fn int_tile<const R: usize, const B: usize>(
        self,
        rows: Strided<u8>,
        blocks: Blocks<i8>,
        depth: usize,
        to: StridedMut<i32>,
    );
}

/// The first sixteen elements.
///
/// # Panics
/// When there are fewer.
#[inline(always)]
pub(crate) fn vector(values: &[f32]) -> &[f32; 16] {
    // A slice with fewer is a mistake in these modules.
    values.first_chunk().unwrap_or_else(|| panic!("{} elements are no vector", values.len()))
}

/// The same, to be written.
#[inline(always)]
pub(crate) fn vector_mut(values: &mut [f32]) -> &mut [f32; 16] {
    let count = values.len();
    values.first_chunk_mut().unwrap_or_else(|| panic!("{count} elements are no vector"))
}

/// Rows to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strided<T> {
    pub(crate) start: *const T,
    /// Elements from one row to the next.
    pub(crate) stride: usize,
}

/// Rows to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StridedMut<T> {
    pub(crate) start: *mut T,
    /// Elements from one row to the next.
    pub(crate) stride: usize,
}

/// Blocks of sixteen columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks<T> {
    pub(crate) start: *const T,
    /// Elements from one block to the next.
    pub(crate) block_stride: usize,
    /// Elements from one vector of a block to the next.
    pub(crate) stride: usize,
}

/// The pointer, of whose origin the compiler knows nothing: it would compute each row's address from the row before, one addition
/// more for each row, which costs a fifth of the speed where two threads share a core.
#[cfg(target_arch = "x86_64")]
#[expect(clippy::pointers_in_nomem_asm_block, reason = "nothing is read through the pointer")]
#[inline(always)]
pub(crate) fn opaque<T>(mut pointer: *const T) -> *const T {
    // SAFETY: there is no instruction.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags)) };
    pointer
}

/// Repeats a block for each number below `$count`, a constant: loops are not always unrolled, and sums that are indexed by a
/// variable do not stay in registers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! unrolled {
    ($index:ident < $count:ident, $body:block) => {
        unrolled!(@ $index $count $body 0 1 2 3 4 5 6 7 8)
    };
    (@ $index:ident $count:ident $body:block $($n:literal)*) => {
        $({
            const $index: usize = $n;
            if $index < $count $body
        })*
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use unrolled;
