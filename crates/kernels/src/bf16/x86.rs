//! Matrix products with the instructions of `avx512_bf16`.
//!
//! `vdpbf16ps` takes two neighbouring elements of a row of the left operand and of a column of the right one. So both operands
//! are packed into rounded pairs: a `u32` holds the elements `2p` and `2p + 1` of the inner dimension. The right operand is
//! packed into panels of [`PANEL`] columns, pair after pair, which a core's cache holds while the rows of the left operand pass
//! by. A panel is stored in one piece, or the panels are interleaved every [`RUN`] pairs: whichever reads the operand in memory
//! order, which is most of the work.

mod pack;

use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use pack::{PackBuffer, Panels, pack_interleaved, pack_panels, pack_rows};
use rayon::prelude::*;

use crate::product::{Matrix, Target};

/// Columns of a panel: three vectors.
const PANEL: usize = 48;
/// Rows of a tile: with three vectors each, its sums take 24 of 32 registers.
const TILE: usize = 8;
/// Pairs of a panel that follow each other.
const RUN: usize = 32;
/// Distance of prefetching, in rows, while a matrix is read row by row.
const AHEAD: usize = 8;
/// Pairs of the inner dimension that are summed in registers.
const PAIRS: usize = 1024;
/// Approximate number of pairs of the left operand that a task packs: they stay in a core's own cache beside a panel.
const TASK: usize = 64 * 1024;

pub(super) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> =
        LazyLock::new(|| is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512bf16"));
    *AVAILABLE
}

/// What the sums of a tile are added to.
#[derive(Debug, Clone, Copy)]
enum Addend<'a> {
    /// Nothing: the target is not read.
    Zero,
    /// A bias, the same for each row.
    Bias(&'a [f32]),
    /// The target's elements.
    Target,
}

/// As [`super::product`], where the instructions are [`available`].
pub(super) fn product(target: Target<'_>, [m, n, k]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>) {
    assert!(available());
    if k == 0 {
        return target.write_nothing();
    }
    let mut addend = match target {
        Target::New(_) => Addend::Zero,
        Target::Biased(_, bias) => {
            assert_eq!(bias.len(), n);
            Addend::Bias(bias)
        }
        Target::Sum(_) => Addend::Target,
    };
    // SAFETY: numbers are written.
    let values = unsafe { target.into_memory() };
    assert_eq!(values.len(), m * n);
    if values.is_empty() {
        return;
    }
    for first in (0..k).step_by(2 * PAIRS) {
        let inner = (k - first).min(2 * PAIRS);
        block(values, addend, [m, n, inner], left.columns_from(first), right.from(first));
        // The block has written every element.
        addend = Addend::Target;
    }
}

thread_local! {
    /// The packed right operand.
    static PANELS: Cell<PackBuffer> = const { Cell::new(PackBuffer::new()) };
    /// A task's packed rows of the left operand.
    static TILES: Cell<PackBuffer> = const { Cell::new(PackBuffer::new()) };
}

/// The product over a part of the inner dimension; writes every element.
fn block(
    values: &mut [MaybeUninit<f32>],
    addend: Addend<'_>,
    [m, n, k]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    let mut buffer = PANELS.take();
    let panels = pack_panels(&mut buffer, right.transposed(), [n, k]);
    let pairs = panels.pairs;

    // However the rows are shared out, an element is summed in the same order.
    let fair = 4 * rayon::current_num_threads();
    shares(values, n, fair * (m * pairs).div_ceil(TASK * fair)).into_par_iter().for_each(|(first, values)| {
        let mut buffer = TILES.take();
        let (left, rows) = (left.from(first), values.len() / n);
        let scratch = buffer.pairs(rows.next_multiple_of(2 * TILE) * pairs);
        let in_rows = left.strides[1] == 1;
        // SAFETY: the instructions are available, as `product` asserts.
        unsafe {
            if in_rows {
                pack_rows(scratch, pairs, left, [rows, k]);
            } else {
                pack_interleaved::<1>(scratch, 2 * TILE * pairs, left, [rows, k]);
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
        TILES.set(buffer);
    });
    PANELS.set(buffer);
}

/// Splits rows of `width` into shares of whole tiles, as equal as possible; each with the index of its first row.
///
/// With a few large shares and a small one, the thread of the small one would wait for much of a short product's time.
fn shares(mut values: &mut [MaybeUninit<f32>], width: usize, count: usize) -> Vec<(usize, &mut [MaybeUninit<f32>])> {
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

/// Multiplies [`TILE`] rows of pairs, at strides `row` and `pair`, by a panel, and writes `rows` and `columns` of the result to
/// rows of `stride`.
#[target_feature(enable = "avx512f,avx512bf16")]
fn tile(
    target: &mut [MaybeUninit<f32>],
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
        let panel = &right.packed[run * right.distances[1]..][..pairs * PANEL];
        // SAFETY: there are so many pairs in the panel and in the left operand, as just asserted.
        unsafe { add_products(&mut sums, left.as_ptr().add(first * pair), [row, pair], panel.as_ptr(), pairs) };
    }
    for (index, sums) in sums.into_iter().take(rows).enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            let first = vector * 16;
            if first < columns {
                let mask = (0xffff_u32 >> (16 - (columns - first).min(16))) as u16;
                // SAFETY: the mask keeps to the columns, and the rows were asserted to be there.
                unsafe {
                    let place = target.as_mut_ptr().cast::<f32>().add(index * stride + first);
                    let before = match addend {
                        Addend::Zero => _mm512_setzero_ps(),
                        Addend::Bias(bias) => _mm512_maskz_loadu_ps(mask, bias.as_ptr().add(first)),
                        Addend::Target => _mm512_maskz_loadu_ps(mask, place),
                    };
                    _mm512_mask_storeu_ps(place, mask, _mm512_add_ps(sum, before));
                }
            }
        }
    }
}

/// Adds to each sum the product of its row of the left operand, whose rows and pairs have strides `row` and `pair`, and its
/// columns of a panel.
///
/// In assembly, because compilers load the rows' elements long before they are needed and then run out of registers.
///
/// # Safety
/// There are `pairs` pairs, at least one, of [`TILE`] rows and of the panel.
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
