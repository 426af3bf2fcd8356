//! With the instructions of `avx512_bf16`.
//!
//! One of them takes two neighbouring elements of a row of the left factor and of a column of the right one. So both factors
//! are rounded into pairs: a `u32` holds the elements `2p` and `2p + 1` of the inner dimension. The right factor is laid into
//! panels of [`PANEL`] columns, pair after pair, which a core's cache holds while the rows of the left factor pass by. Of
//! every [`RUN`] pairs all panels lie together, so that the factor is read as it lies in memory.

use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::sync::LazyLock;

use rayon::prelude::*;

use super::bits;
use crate::product::{Matrix, start};

/// Columns of a panel: three vectors.
const PANEL: usize = 48;
/// Rows of a tile: with three vectors each, its sums take 24 of 32 registers.
const TILE: usize = 8;
/// Pairs of a panel that follow each other.
const RUN: usize = 32;
/// Pairs of the inner dimension that are summed in registers.
const PAIRS: usize = 1024;
/// Pairs of the left factor that a task lays out, about: they stay in a core's own cache beside a panel.
const TASK: usize = 64 * 1024;

pub(super) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512bf16"));
    *AVAILABLE
}

/// What a product is added to.
#[derive(Clone, Copy)]
enum Addend<'a> {
    Nothing,
    /// To each row, the same.
    Bias(&'a [f32]),
    /// What is there already.
    Values,
}

/// As [`super::product`], where the instructions are [`available`].
pub(super) fn product(
    values: &mut [f32],
    bias: Option<&[f32]>,
    [m, n, k]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    assert!(available());
    assert!(values.len() == m * n && bias.is_none_or(|bias| bias.len() == n));
    if k == 0 {
        return start(values, bias, n);
    }
    if values.is_empty() {
        return;
    }
    let mut addend = bias.map_or(Addend::Nothing, Addend::Bias);
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
    let (pairs, count) = (k.div_ceil(2), n.div_ceil(PANEL));
    let mut memory = PANELS.take();
    let panels = memory.pairs(pairs.div_ceil(RUN) * count * RUN * PANEL);
    panels.par_chunks_exact_mut(count * RUN * PANEL).enumerate().for_each(|(run, panels)| {
        let inner = run * 2 * RUN;
        let (right, inner) = (right.from(inner).transposed(), (k - inner).min(2 * RUN));
        // SAFETY: the instructions are available, as `product` asserts.
        unsafe {
            if right.strides[0] == 1 {
                lay_woven(panels, [PANEL, RUN * PANEL], right, [n, inner]);
            } else {
                for (index, panel) in panels.chunks_exact_mut(RUN * PANEL).enumerate() {
                    let first = index * PANEL;
                    lay_turned(panel, right.from(first), [(n - first).min(PANEL), inner]);
                }
            }
        }
    });
    let panels = &*panels;

    // However the rows are shared out, an element is summed in the same order.
    let fair = m.div_ceil(4 * rayon::current_num_threads());
    let rows = fair.min(TASK / pairs).next_multiple_of(TILE);
    values.par_chunks_mut(rows * n).enumerate().for_each(|(index, values)| {
        let mut memory = TILES.take();
        let first = index * rows;
        let rows = values.len() / n;
        let (left, in_rows) = (left.from(first), left.strides[1] == 1);
        let scratch = memory.pairs(rows.next_multiple_of(TILE) * pairs);
        // SAFETY: as above.
        unsafe {
            if in_rows {
                lay_rows(scratch, pairs, left, [rows, k]);
            } else {
                lay_woven(scratch, [TILE, TILE * pairs], left, [rows, k]);
            }
        }
        let strides = if in_rows { [pairs, 1] } else { [1, TILE] };
        for panel in 0..count {
            for (index, left) in scratch.chunks_exact(TILE * pairs).take(rows.div_ceil(TILE)).enumerate() {
                let (row, column) = (index * TILE, panel * PANEL);
                let addend = match addend {
                    Addend::Bias(bias) => Addend::Bias(&bias[column..]),
                    addend => addend,
                };
                let target = &mut values[row * n + column..];
                let right = Panel { runs: panels, distance: count * RUN * PANEL, start: panel * RUN * PANEL, pairs };
                let sizes = [(rows - row).min(TILE), (n - column).min(PANEL), n];
                // SAFETY: as above.
                unsafe { tile(target, sizes, addend, left, strides, right) };
            }
        }
        TILES.set(memory);
    });
    PANELS.set(memory);
}

/// A panel of the right factor.
#[derive(Clone, Copy)]
struct Panel<'a> {
    /// All panels.
    runs: &'a [u32],
    /// From one run to the next.
    distance: usize,
    /// Of its first run.
    start: usize,
    pairs: usize,
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

/// Rounds rows whose elements at the same place follow each other: of each `width` rows, pair after pair, the rows' pairs
/// together; such groups are `distance` apart.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
fn lay_woven(laid: &mut [u32], [width, distance]: [usize; 2], matrix: Matrix<'_>, [rows, k]: [usize; 2]) {
    assert_eq!(matrix.strides[0], 1);
    let zeros = [0.0; PANEL];
    for pair in 0..k.div_ceil(2) {
        let even = &matrix.values[2 * pair * matrix.strides[1]..][..rows];
        let odd = (2 * pair + 1 < k).then(|| &matrix.values[(2 * pair + 1) * matrix.strides[1]..][..rows]);
        for (group, even) in even.chunks(width).enumerate() {
            let odd = odd.map_or(&zeros[..even.len()], |odd| &odd[group * width..][..even.len()]);
            weave(even, odd, &mut laid[group * distance + pair * width..][..even.len()]);
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
                *vector = round_some(&matrix.values[row * matrix.strides[0] + first..][..(k - first).min(32)]);
            }
            for (vector, laid) in transposed(vectors).into_iter().zip(laid.chunks_exact_mut(PANEL)) {
                // SAFETY: there are 16 numbers to write to.
                unsafe { _mm512_storeu_si512(laid[16 * group..][..16].as_mut_ptr().cast(), vector) };
            }
        }
    }
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

/// Rounds two runs of elements into the lower and upper halves of pairs.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
fn weave(even: &[f32], odd: &[f32], laid: &mut [u32]) {
    let ((even, even_rest), (odd, odd_rest)) = (even.as_chunks::<16>(), odd.as_chunks::<16>());
    let (whole, rest) = laid.split_at_mut(even.len() * 16);
    for ((even, odd), laid) in even.iter().zip(odd).zip(whole.as_chunks_mut::<16>().0) {
        // SAFETY: the arrays are as long as what is read and written; the halves have the same size.
        unsafe {
            let [even, odd] = [even, odd].map(|x| {
                let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(x.as_ptr()));
                _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(rounded))
            });
            let woven = _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd));
            _mm512_storeu_si512(laid.as_mut_ptr().cast(), woven);
        }
    }
    let ((even, even_rest), (odd, odd_rest)) = (even_rest.as_chunks::<8>(), odd_rest.as_chunks::<8>());
    let (whole, rest) = rest.split_at_mut(even.len() * 8);
    for ((even, odd), laid) in even.iter().zip(odd).zip(whole.as_chunks_mut::<8>().0) {
        // SAFETY: as above.
        unsafe {
            let [even, odd] = [even, odd].map(|x| {
                let rounded = _mm256_cvtneps_pbh(_mm256_loadu_ps(x.as_ptr()));
                _mm256_cvtepu16_epi32(std::mem::transmute::<__m128bh, __m128i>(rounded))
            });
            let woven = _mm256_or_si256(even, _mm256_slli_epi32::<16>(odd));
            _mm256_storeu_si256(laid.as_mut_ptr().cast(), woven);
        }
    }
    for ((even, odd), laid) in even_rest.iter().zip(odd_rest).zip(rest) {
        *laid = pair_of(*even, *odd);
    }
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
    right: Panel<'_>,
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
        let panel = &right.runs[right.start + run * right.distance..][..pairs * PANEL];
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
