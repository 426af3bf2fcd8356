//! With the instructions of `avx512_bf16`.
//!
//! One of them takes two neighbouring elements of a row of the left factor and of a column of the right one. So both factors
//! are rounded into pairs: a `u32` holds the elements `2p` and `2p + 1` of the inner dimension. The right factor is laid into
//! panels of [`PANEL`] columns, pair after pair, which a core's cache holds while the rows of the left factor pass by. A panel
//! lies in one piece, or of every [`RUN`] pairs all panels lie together: so that the factor is read as it lies in memory, which
//! is most of the work.

use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::sync::LazyLock;

use rayon::prelude::*;

use super::bits;
use crate::product::{Addend, Matrix, start};

/// Columns of a panel: three vectors.
const PANEL: usize = 48;
/// Rows of a tile: with three vectors each, its sums take 24 of 32 registers.
const TILE: usize = 8;
/// Pairs of a panel that follow each other.
const RUN: usize = 32;
/// Rows after which a matrix that is read row by row is asked for ahead.
const AHEAD: usize = 8;
/// Pairs of the inner dimension that are summed in registers.
const PAIRS: usize = 1024;
/// Pairs of the left factor that a task lays out, about: they stay in a core's own cache beside a panel.
const TASK: usize = 64 * 1024;

pub(super) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512bf16"));
    *AVAILABLE
}

/// As [`super::product`], where the instructions are [`available`].
pub(super) fn product(
    values: &mut [f32],
    mut addend: Addend<'_>,
    [m, n, k]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    assert!(available());
    assert_eq!(values.len(), m * n);
    if let Addend::Bias(bias) = addend {
        assert_eq!(bias.len(), n);
    }
    if k == 0 {
        return start(values, addend, n);
    }
    if values.is_empty() {
        return;
    }
    for first in (0..k).step_by(2 * PAIRS) {
        let inner = (k - first).min(2 * PAIRS);
        block(values, addend, [m, n, inner], left.columns_from(first), right.from(first));
        addend = Addend::Values;
    }
}

thread_local! {
    /// Where the right factor is laid.
    static PANELS: Cell<Laid> = const { Cell::new(Laid(Vec::new())) };
    /// Where a task lays rows of the left factor.
    static TILES: Cell<Laid> = const { Cell::new(Laid(Vec::new())) };
}

/// Memory for pairs. As it is used again and again, it is not cleared: what is left in it from the last time is not read.
#[derive(Default)]
struct Laid(Vec<Line>);

/// As much as a cache takes at once, where it takes it: a vector that lies across two lines is read and written twice.
#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "they are reached through a pointer to the first")]
struct Line([u32; 16]);

impl Laid {
    /// Room for so many pairs.
    fn pairs(&mut self, count: usize) -> &mut [u32] {
        let lines = count.div_ceil(16).max(self.0.len());
        self.0.resize(lines, Line([0; 16]));
        // SAFETY: a line is 16 pairs and nothing else.
        let all = unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast::<u32>(), 16 * lines) };
        &mut all[..count]
    }
}

/// A part of the inner dimension.
fn block(values: &mut [f32], addend: Addend<'_>, [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    let mut memory = PANELS.take();
    let panels = lay_panels(&mut memory, right.transposed(), [n, k]);
    let pairs = panels.pairs;

    // However the rows are shared out, an element is summed in the same order.
    let fair = 4 * rayon::current_num_threads();
    shares(values, n, fair * (m * pairs).div_ceil(TASK * fair)).into_par_iter().for_each(|(first, values)| {
        let mut memory = TILES.take();
        let (left, rows) = (left.from(first), values.len() / n);
        let scratch = memory.pairs(rows.next_multiple_of(2 * TILE) * pairs);
        let in_rows = left.strides[1] == 1;
        // SAFETY: the instructions are available, as `product` asserts.
        unsafe {
            if in_rows {
                lay_rows(scratch, pairs, left, [rows, k]);
            } else {
                lay_woven::<1>(scratch, 2 * TILE * pairs, left, [rows, k]);
            }
        }
        for panel in 0..n.div_ceil(PANEL) {
            for row in (0..rows).step_by(TILE) {
                let column = panel * PANEL;
                let addend = match addend {
                    Addend::Bias(bias) => Addend::Bias(&bias[column..]),
                    addend => addend,
                };
                let (start, strides) = if in_rows {
                    (row * pairs, [pairs, 1])
                } else {
                    // Two tiles share a vector.
                    let half = row % (2 * TILE);
                    ((row - half) * pairs + half, [1, 2 * TILE])
                };
                let target = &mut values[row * n + column..];
                let sizes = [(rows - row).min(TILE), (n - column).min(PANEL), n];
                // SAFETY: as above.
                unsafe { tile(target, sizes, addend, &scratch[start..], strides, panels.from(panel)) };
            }
        }
        TILES.set(memory);
    });
    PANELS.set(memory);
}

/// Rows of `width`, shared out in whole tiles that differ in number by one at most: each share with the number of its first row.
///
/// Where a few larger shares leave a small one, whose thread then waits for the others, it is much of a short product's time.
fn shares(mut values: &mut [f32], width: usize, count: usize) -> Vec<(usize, &mut [f32])> {
    let rows = values.len() / width;
    let tiles = rows.div_ceil(TILE);
    let count = count.min(tiles);
    let start = |share: usize| (share * tiles / count * TILE).min(rows);
    (0..count)
        .map(|share| {
            let length = (start(share + 1) - start(share)) * width;
            (start(share), values.split_off_mut(..length).unwrap_or_default())
        })
        .collect()
}

/// The right factor's panels, or those from one on.
#[derive(Clone, Copy)]
struct Panels<'a> {
    laid: &'a [u32],
    /// From one panel to the next, and from one run of a panel to the next.
    distances: [usize; 2],
    /// Pairs of a panel.
    pairs: usize,
}

impl Panels<'_> {
    fn from(self, panel: usize) -> Self {
        Self { laid: &self.laid[panel * self.distances[0]..], ..self }
    }
}

/// Rounds the columns of the right factor, which are the rows of the matrix, into panels.
fn lay_panels<'a>(memory: &'a mut Laid, matrix: Matrix<'_>, [n, k]: [usize; 2]) -> Panels<'a> {
    let (pairs, count) = (k.div_ceil(2), n.div_ceil(PANEL));
    let laid = memory.pairs(pairs.next_multiple_of(RUN) * count * PANEL);
    let in_rows = matrix.strides[1] == 1;
    let distances = if in_rows { [pairs * PANEL, RUN * PANEL] } else { [RUN * PANEL, count * RUN * PANEL] };
    if in_rows {
        laid.par_chunks_exact_mut(distances[0]).take(count).enumerate().for_each(|(panel, laid)| {
            let first = panel * PANEL;
            // SAFETY: the instructions are available, as `product` asserts.
            unsafe { lay_turned(laid, matrix.from(first), [(n - first).min(PANEL), k]) };
        });
    } else {
        laid.par_chunks_exact_mut(distances[1]).enumerate().for_each(|(run, laid)| {
            let first = run * 2 * RUN;
            // SAFETY: as above.
            unsafe { lay_woven::<3>(laid, distances[0], matrix.columns_from(first), [n, (k - first).min(2 * RUN)]) };
        });
    }
    Panels { laid, distances, pairs }
}

/// Rounds rows whose elements follow each other into rows of pairs.
#[target_feature(enable = "avx512f,avx512bf16")]
fn lay_rows(laid: &mut [u32], pairs: usize, matrix: Matrix<'_>, [rows, k]: [usize; 2]) {
    for (row, laid) in laid.chunks_exact_mut(pairs).take(rows).enumerate() {
        let row = &matrix.values[row * matrix.strides[0]..][..k];
        round_row(row, laid);
    }
}

/// Rounds a row into pairs.
#[target_feature(enable = "avx512f,avx512bf16")]
fn round_row(row: &[f32], laid: &mut [u32]) {
    let (whole, rest) = row.as_chunks::<16>();
    let (laid, end) = laid.split_at_mut(whole.len() * 8);
    for (x, pairs) in whole.iter().zip(laid.as_chunks_mut::<8>().0) {
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

/// Rounds rows whose elements at the same place follow each other: of each `VECTORS` times 16 rows, pair after pair, the rows'
/// pairs together; such groups are `distance` apart. In the last one, what there are no rows for is zero.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
fn lay_woven<const VECTORS: usize>(laid: &mut [u32], distance: usize, matrix: Matrix<'_>, [rows, k]: [usize; 2]) {
    let [row, stride] = matrix.strides;
    let (width, pairs) = (16 * VECTORS, k.div_ceil(2));
    assert!(row == 1 && rows > 0 && k > 0 && (k - 1) * stride + rows <= matrix.values.len());
    assert!((rows.div_ceil(width) - 1) * distance + pairs * width <= laid.len());
    let (values, laid) = (matrix.values.as_ptr(), laid.as_mut_ptr());
    for pair in 0..pairs {
        let even = values.wrapping_add(2 * pair * stride);
        let odd_mask = if 2 * pair + 1 < k { 0xffff } else { 0 };
        let mut place = laid.wrapping_add(pair * width);
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
                    let woven = _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd));
                    _mm512_storeu_si512(place.wrapping_add(16 * vector).cast(), woven);
                }
            }
            place = place.wrapping_add(distance);
        }
    }
}

/// Rounds the rows of a panel, whose elements follow each other: pair after pair, the rows' pairs together.
#[target_feature(enable = "avx512f,avx512bf16")]
fn lay_turned(laid: &mut [u32], matrix: Matrix<'_>, [rows, k]: [usize; 2]) {
    assert_eq!(matrix.strides[1], 1, "one of a matrix's two strides is 1");
    for (group, start) in (0..rows).step_by(16).enumerate() {
        for (block, laid) in laid.chunks_mut(16 * PANEL).take(k.div_ceil(32)).enumerate() {
            let first = 32 * block;
            let mut vectors = [_mm512_setzero_si512(); 16];
            for (row, vector) in (start..rows).zip(&mut vectors) {
                let x = &matrix.values[row * matrix.strides[0] + first..][..(k - first).min(32)];
                prefetch(x.as_ptr().wrapping_add(16 * matrix.strides[0]));
                prefetch(x.as_ptr().wrapping_add(16 * matrix.strides[0] + 16));
                *vector = round_some(x);
            }
            for (vector, laid) in transposed(vectors).into_iter().zip(laid.chunks_exact_mut(PANEL)) {
                // SAFETY: there are 16 numbers to write to.
                unsafe { _mm512_storeu_si512(laid[16 * group..][..16].as_mut_ptr().cast(), vector) };
            }
        }
    }
}

/// Asks for a line that will be read soon, wherever it is: it may lie outside of the matrix.
#[target_feature(enable = "sse")]
fn prefetch(place: *const f32) {
    _mm_prefetch::<_MM_HINT_T0>(place.cast());
}

/// Rounds up to 32 elements into pairs.
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

/// Turns rows of a square of numbers into its columns.
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

/// [`TILE`] rows of pairs, at distances of `row` and `pair`, times a panel, of which `rows` and `columns` are written, to rows
/// of `stride`.
#[target_feature(enable = "avx512f,avx512bf16")]
fn tile(
    target: &mut [f32],
    [rows, columns, stride]: [usize; 3],
    addend: Addend<'_>,
    left: &[u32],
    [row, pair]: [usize; 2],
    right: Panels<'_>,
) {
    assert!(right.pairs > 0 && (TILE - 1) * row + (right.pairs - 1) * pair < left.len());
    assert!(0 < columns && columns <= PANEL && 0 < rows && rows <= TILE);
    assert!((rows - 1) * stride + columns <= target.len());
    if let Addend::Bias(bias) = addend {
        assert!(columns <= bias.len());
    }
    let mut sums = [[_mm512_setzero_ps(); 3]; TILE];
    for (run, first) in (0..right.pairs).step_by(RUN).enumerate() {
        let pairs = (right.pairs - first).min(RUN);
        let panel = &right.laid[run * right.distances[1]..][..pairs * PANEL];
        // SAFETY: there are so many pairs in the panel, and in the left factor, as was just asserted.
        unsafe { add_products(&mut sums, left.as_ptr().add(first * pair), [row, pair], panel.as_ptr(), pairs) };
    }
    for (index, sums) in sums.into_iter().take(rows).enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            let first = vector * 16;
            if first < columns {
                let mask = (0xffff_u32 >> (16 - (columns - first).min(16))) as u16;
                // SAFETY: the mask keeps to the columns, and the rows were asserted to be there.
                unsafe {
                    let place = target.as_mut_ptr().add(index * stride + first);
                    let before = match addend {
                        Addend::Nothing => _mm512_setzero_ps(),
                        Addend::Bias(bias) => _mm512_maskz_loadu_ps(mask, bias.as_ptr().add(first)),
                        Addend::Values => _mm512_maskz_loadu_ps(mask, place),
                    };
                    _mm512_mask_storeu_ps(place, mask, _mm512_add_ps(sum, before));
                }
            }
        }
    }
}

/// Adds to each sum the product of its row of the left factor, whose rows and pairs are at distances of `row` and `pair`, and
/// its columns of a panel.
///
/// In assembly, as compilers load the rows' elements long before they are needed, and then have no registers for the sums.
///
/// # Safety
/// There are so many pairs, more than none, of [`TILE`] rows, and of the panel.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn add_products(
    sums: &mut [[__m512; 3]; TILE],
    left: *const u32,
    [row, pair]: [usize; 2],
    panel: *const u32,
    pairs: usize,
) {
    macro_rules! add_products {
        ($($index:literal $place:literal: $a:ident $b:ident $c:ident, $x:ident;)*) => {
            asm!(
                "2:",
                "vmovups {y0}, [{panel}]",
                "vmovups {y1}, [{panel} + 64]",
                "vmovups {y2}, [{panel} + 128]",
                $(
                    concat!("vbroadcastss {", stringify!($x), "}, dword ptr [", $place, "]"),
                    concat!("vdpbf16ps {", stringify!($a), "}, {y0}, {", stringify!($x), "}"),
                    concat!("vdpbf16ps {", stringify!($b), "}, {y1}, {", stringify!($x), "}"),
                    concat!("vdpbf16ps {", stringify!($c), "}, {y2}, {", stringify!($x), "}"),
                )*
                "add {left}, {pair}",
                "add {half}, {pair}",
                "add {panel}, 192",
                "dec {pairs}",
                "jne 2b",
                left = inout(reg) left => _,
                half = inout(reg) left.wrapping_add(4 * row) => _,
                row = in(reg) 4 * row,
                three = in(reg) 12 * row,
                pair = in(reg) 4 * pair,
                panel = inout(reg) panel => _,
                pairs = inout(reg) pairs => _,
                y0 = out(zmm_reg) _,
                y1 = out(zmm_reg) _,
                y2 = out(zmm_reg) _,
                x0 = out(zmm_reg) _,
                x1 = out(zmm_reg) _,
                $(
                    $a = inout(zmm_reg) sums[$index][0],
                    $b = inout(zmm_reg) sums[$index][1],
                    $c = inout(zmm_reg) sums[$index][2],
                )*
                options(readonly, nostack),
            )
        };
    }
    // SAFETY: it reads only what the caller promises to be there.
    unsafe {
        add_products! {
            0 "{left}": a0 b0 c0, x0;
            1 "{left} + {row}": a1 b1 c1, x1;
            2 "{left} + 2*{row}": a2 b2 c2, x0;
            3 "{left} + {three}": a3 b3 c3, x1;
            4 "{half}": a4 b4 c4, x0;
            5 "{half} + {row}": a5 b5 c5, x1;
            6 "{half} + 2*{row}": a6 b6 c6, x0;
            7 "{half} + {three}": a7 b7 c7, x1;
        }
    };
}
