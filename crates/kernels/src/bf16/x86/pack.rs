//! Packing of operands: rounds them into pairs, in the order in which the product reads them.

use std::arch::x86_64::*;

use rayon::prelude::*;

use super::super::bits;
use super::{AHEAD, PANEL, RUN};
use crate::product::Matrix;

/// Memory for packed pairs. It is reused without clearing: what an earlier product left in it is never read.
#[derive(Default)]
pub(super) struct PackBuffer(Vec<Line>);

/// A cache line: a vector that lies across two lines is read and written twice.
#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "they are reached through a pointer to the first")]
struct Line([u32; 16]);

impl PackBuffer {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Memory for `count` pairs, aligned to cache lines.
    pub(super) fn pairs(&mut self, count: usize) -> &mut [u32] {
        let lines = count.div_ceil(16).max(self.0.len());
        self.0.resize(lines, Line([0; 16]));
        // SAFETY: a line is 16 pairs and nothing else.
        let all = unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<u32>(), 16 * lines) };
        &mut all[..count]
    }
}

/// The right operand's panels, or those from one on.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) packed: &'a [u32],
    /// From one panel to the next, and from one run of a panel to the next.
    pub(super) distances: [usize; 2],
    /// Pairs of a panel.
    pub(super) pairs: usize,
}

impl Panels<'_> {
    pub(super) fn from(self, panel: usize) -> Self {
        Self { packed: &self.packed[panel * self.distances[0]..], ..self }
    }
}

/// Packs the columns of the right operand, which are the rows of `matrix`, into panels.
pub(super) fn pack_panels<'a>(buffer: &'a mut PackBuffer, matrix: Matrix<'_>, [n, k]: [usize; 2]) -> Panels<'a> {
    let (pairs, count) = (k.div_ceil(2), n.div_ceil(PANEL));
    let packed = buffer.pairs(pairs.next_multiple_of(RUN) * count * PANEL);
    let in_rows = matrix.strides[1] == 1;
    let distances = if in_rows { [pairs * PANEL, RUN * PANEL] } else { [RUN * PANEL, count * RUN * PANEL] };
    if in_rows {
        packed.par_chunks_exact_mut(distances[0]).take(count).enumerate().for_each(|(panel, packed)| {
            let first = panel * PANEL;
            // SAFETY: the instructions are available, as `product` asserts.
            unsafe { pack_transposed(packed, matrix.from(first), [(n - first).min(PANEL), k]) };
        });
    } else {
        packed.par_chunks_exact_mut(distances[1]).enumerate().for_each(|(run, packed)| {
            let first = run * 2 * RUN;
            // SAFETY: as above.
            unsafe {
                pack_interleaved::<3>(packed, distances[0], matrix.columns_from(first), [n, (k - first).min(2 * RUN)])
            };
        });
    }
    Panels { packed, distances, pairs }
}

/// Packs contiguous rows into rows of pairs.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn pack_rows(packed: &mut [u32], pairs: usize, matrix: Matrix<'_>, [rows, k]: [usize; 2]) {
    for (row, packed) in packed.chunks_exact_mut(pairs).take(rows).enumerate() {
        let row = &matrix.values[row * matrix.strides[0]..][..k];
        round_row(row, packed);
    }
}

/// Packs a row into pairs.
#[target_feature(enable = "avx512f,avx512bf16")]
fn round_row(row: &[f32], packed: &mut [u32]) {
    let (whole, rest) = row.as_chunks::<16>();
    let (packed, end) = packed.split_at_mut(whole.len() * 8);
    for (x, pairs) in whole.iter().zip(packed.as_chunks_mut::<8>().0) {
        // SAFETY: both arrays are as long as what is read and written.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(x.as_ptr()));
            pairs.as_mut_ptr().cast::<__m256bh>().write_unaligned(rounded);
        }
    }
    for (x, pair) in rest.chunks(2).zip(end) {
        *pair = pair_of(x[0], x.get(1).copied().unwrap_or(0.0));
    }
}

fn pair_of(even: f32, odd: f32) -> u32 {
    u32::from(bits(even)) | u32::from(bits(odd)) << 16
}

/// Packs a matrix stored column by column: for each group of `VECTORS` times 16 rows, pair after pair, the pairs of all its
/// rows side by side. Groups are `distance` apart; the last one is padded with zeros.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
pub(super) fn pack_interleaved<const VECTORS: usize>(
    packed: &mut [u32],
    distance: usize,
    matrix: Matrix<'_>,
    [rows, k]: [usize; 2],
) {
    let [row, stride] = matrix.strides;
    let (width, pairs) = (16 * VECTORS, k.div_ceil(2));
    assert!(row == 1 && rows > 0 && k > 0 && (k - 1) * stride + rows <= matrix.values.len());
    assert!((rows.div_ceil(width) - 1) * distance + pairs * width <= packed.len());
    let (values, packed) = (matrix.values.as_ptr(), packed.as_mut_ptr());
    for pair in 0..pairs {
        let even = values.wrapping_add(2 * pair * stride);
        let odd_mask = if 2 * pair + 1 < k { 0xffff } else { 0 };
        let mut place = packed.wrapping_add(pair * width);
        for first in (0..rows).step_by(width) {
            for vector in 0..VECTORS {
                let first = first + 16 * vector;
                let mask = (0xffff_u32 >> (16 - rows.saturating_sub(first).min(16))) as u16;
                let x = even.wrapping_add(first);
                let far = x.wrapping_add(AHEAD * stride);
                prefetch(far);
                prefetch(far.wrapping_add(stride));
                // SAFETY: the masks keep to the rows and to `k`, and there is room for the pairs, as asserted.
                unsafe {
                    let [even, odd] = [(x, mask), (x.wrapping_add(stride), mask & odd_mask)].map(|(x, mask)| {
                        let rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x));
                        _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(rounded))
                    });
                    let interleaved = _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd));
                    _mm512_storeu_si512(place.wrapping_add(16 * vector).cast(), interleaved);
                }
            }
            place = place.wrapping_add(distance);
        }
    }
}

/// Packs contiguous rows into a panel: pair after pair, the pairs of all rows side by side.
#[target_feature(enable = "avx512f,avx512bf16")]
fn pack_transposed(packed: &mut [u32], matrix: Matrix<'_>, [rows, k]: [usize; 2]) {
    assert_eq!(matrix.strides[1], 1, "one of a matrix's two strides is 1");
    for (group, start) in (0..rows).step_by(16).enumerate() {
        for (block, packed) in packed.chunks_mut(16 * PANEL).take(k.div_ceil(32)).enumerate() {
            let first = 32 * block;
            let mut vectors = [_mm512_setzero_si512(); 16];
            for (row, vector) in (start..rows).zip(&mut vectors) {
                let x = &matrix.values[row * matrix.strides[0] + first..][..(k - first).min(32)];
                prefetch(x.as_ptr().wrapping_add(16 * matrix.strides[0]));
                prefetch(x.as_ptr().wrapping_add(16 * matrix.strides[0] + 16));
                *vector = round_some(x);
            }
            for (vector, packed) in transposed(vectors).into_iter().zip(packed.chunks_exact_mut(PANEL)) {
                // SAFETY: there are 16 numbers to write to.
                unsafe { _mm512_storeu_si512(packed[16 * group..][..16].as_mut_ptr().cast(), vector) };
            }
        }
    }
}

/// Prefetches a cache line. The address may lie outside of the matrix.
#[target_feature(enable = "sse")]
fn prefetch(place: *const f32) {
    _mm_prefetch::<_MM_HINT_T0>(place.cast());
}

/// Packs up to 32 elements into pairs.
#[target_feature(enable = "avx512f,avx512bf16")]
fn round_some(x: &[f32]) -> __m512i {
    let mask = |count: usize| ((1_u32 << count.min(16)) - 1) as u16;
    let (low, high) = (mask(x.len()), mask(x.len().saturating_sub(16)));
    // SAFETY: the masks keep to the elements that there are; the two types have the same size.
    unsafe {
        let low = _mm512_maskz_loadu_ps(low, x.as_ptr());
        let high = _mm512_maskz_loadu_ps(high, x.as_ptr().wrapping_add(16));
        std::mem::transmute(_mm512_cvtne2ps_pbh(high, low))
    }
}

/// The transpose of a square of numbers.
#[target_feature(enable = "avx512f")]
fn transposed(x: [__m512i; 16]) -> [__m512i; 16] {
    // Within each quarter of the vectors, squares of two, then of four; then the quarters change places.
    let two = std::array::from_fn::<_, 16, _>(|i| {
        let (a, b) = (x[i & !1], x[i | 1]);
        if i & 1 == 0 { _mm512_unpacklo_epi32(a, b) } else { _mm512_unpackhi_epi32(a, b) }
    });
    let four = std::array::from_fn::<_, 16, _>(|i| {
        // Column `i % 4` of each quarter, of the rows from `i & !3` on.
        let first = (i & !3) + (i >> 1 & 1);
        let (a, b) = (two[first], two[first + 2]);
        if i & 1 == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) }
    });
    let halves = std::array::from_fn::<_, 16, _>(|i| {
        // Quarters 0 and 2, or 1 and 3, of the rows from `8 * (i / 8)` on.
        let (a, b) = (four[(i & 8) + (i & 3)], four[(i & 8) + (i & 3) + 4]);
        if i & 4 == 0 { _mm512_shuffle_i32x4::<0x88>(a, b) } else { _mm512_shuffle_i32x4::<0xdd>(a, b) }
    });
    std::array::from_fn(|i| {
        let (a, b) = (halves[i & 7], halves[i & 7 | 8]);
        if i & 8 == 0 { _mm512_shuffle_i32x4::<0x88>(a, b) } else { _mm512_shuffle_i32x4::<0xdd>(a, b) }
    })
}
