//! Linear layers in int8: exact integer sums, and two scales.
//!
//! Weights have one scale per output and no zero point. Activations are bytes, `x ≈ scale · (q - zero)`, with a scale and a zero
//! point for each row, so that a text's answer does not depend on its neighbours. Their product is
//! `scale · weight_scale · (Σ q w - zero Σ w)`, where `Σ w` was added up when the weights were packed.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::buffer::Line;
use super::lanes::{Blocks, Lanes, Strided, StridedMut, vector_mut};
use super::product::{Add, Epilogue, Finish, Multiply, Output, Relu, Store, parts, with_count, with_epilogue};
use super::{LANES, padded};

/// Weights of int8, in blocks of sixteen outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedInt8 {
    /// For each block and each four inputs, those of the block's first output, of its second, …
    values: Vec<Line<[[i8; 4]; LANES]>>,
    /// Of each output.
    scales: Vec<Line<[f32; LANES]>>,
    /// The sum of each output's weights.
    sums: Vec<Line<[i32; LANES]>>,
    /// Of each output.
    bias: Vec<Line<[f32; LANES]>>,
    /// Inputs, padded.
    depth: usize,
}

/// One output of a linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Int8Output<'a> {
    /// Its weights, one for each input.
    pub weights: &'a [i8],
    /// What they are multiplied by.
    pub scale: f32,
    /// Added to the product.
    pub bias: f32,
}

impl PackedInt8 {
    /// Packs a layer; `output(index)` is `None` for one that is always zero. Weight `k` of an output belongs to the input at
    /// `places[k]` of `width`, or to input `k` without places.
    ///
    /// # Panics
    /// When an output has more weights than there are places.
    pub fn new<'a>(
        outputs: usize,
        width: usize,
        places: Option<&[usize]>,
        output: impl Fn(usize) -> Option<Int8Output<'a>>,
    ) -> Self {
        let (blocks, depth) = (padded(outputs) / LANES, padded(width));
        let quads = depth / 4;
        let mut packed = Self {
            values: vec![Line::default(); blocks * quads],
            scales: vec![Line::default(); blocks],
            sums: vec![Line::default(); blocks],
            bias: vec![Line::default(); blocks],
            depth,
        };
        for index in 0..outputs {
            let Some(Int8Output { weights, scale, bias }) = output(index) else { continue };
            let (block, lane) = (index / LANES, index % LANES);
            let values = &mut packed.values[block * quads..(block + 1) * quads];
            match places {
                None => {
                    let (whole, rest) = weights.as_chunks::<4>();
                    for (values, &quad) in values.iter_mut().zip(whole) {
                        values.0[lane] = quad;
                    }
                    for (place, &weight) in rest.iter().enumerate() {
                        values[whole.len()].0[lane][place] = weight;
                    }
                }
                Some(places) => {
                    assert!(weights.len() <= places.len());
                    for (&weight, place) in weights.iter().zip(places) {
                        values[place / 4].0[lane][place % 4] = weight;
                    }
                }
            }
            packed.scales[block].0[lane] = scale;
            packed.sums[block].0[lane] = weights.iter().map(|&weight| i32::from(weight)).sum();
            packed.bias[block].0[lane] = bias;
        }
        packed
    }

    pub(super) fn blocks(&self) -> usize {
        self.bias.len()
    }
}

/// Rows of bytes, each with a scale and a zero point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Int8Rows {
    values: Vec<u8>,
    scales: Vec<Scale>,
    width: usize,
}

/// What a row's bytes mean: `scale · (byte - zero)`. The scale is NaN where the row has numbers that are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Scale {
    scale: f32,
    zero: i32,
}

/// Some rows of [`Int8Rows`].
#[derive(Debug, Clone, Copy)]
pub struct Int8View<'a> {
    values: &'a [u8],
    scales: &'a [Scale],
    width: usize,
}

/// Some rows of [`Int8Rows`], to be written.
#[derive(Debug)]
pub struct Int8ViewMut<'a> {
    values: &'a mut [u8],
    scales: &'a mut [Scale],
    width: usize,
}

impl Int8Rows {
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        self.width = width;
        self.values.resize(rows * width, 0);
        self.scales.resize(rows, Scale::default());
    }

    pub(super) fn view(&self, range: Range<usize>) -> Int8View<'_> {
        let values = &self.values[range.start * self.width..range.end * self.width];
        Int8View { values, scales: &self.scales[range], width: self.width }
    }

    pub(super) fn as_mut(&mut self) -> Int8ViewMut<'_> {
        Int8ViewMut { values: &mut self.values, scales: &mut self.scales, width: self.width }
    }

    pub(super) fn gather(&self, indices: impl Iterator<Item = usize> + Clone) -> Self {
        let row = |row: usize| &self.values[row * self.width..(row + 1) * self.width];
        Self {
            values: indices.clone().flat_map(row).copied().collect(),
            scales: indices.map(|row| self.scales[row]).collect(),
            width: self.width,
        }
    }
}

impl<'a> Int8ViewMut<'a> {
    pub(super) fn split_at(self, rows: usize) -> (Self, Self) {
        let Self { values, scales, width } = self;
        let (values, other_values) = values.split_at_mut(rows * width);
        let (scales, other_scales) = scales.split_at_mut(rows);
        (Self { values, scales, width }, Self { values: other_values, scales: other_scales, width })
    }

    pub(super) fn reborrow(&mut self) -> Int8ViewMut<'_> {
        Int8ViewMut { values: self.values, scales: self.scales, width: self.width }
    }

    pub(super) fn as_view(&self) -> Int8View<'_> {
        Int8View { values: self.values, scales: self.scales, width: self.width }
    }
}

dispatch! {
    /// Quantises rows: the least and the largest element, and zero, become bytes.
    pub(super) fn quantize<'a>(from: &'a [f32], to: Int8ViewMut<'a>) = quantize_with;
}

#[inline(always)]
fn quantize_with<L: Lanes>(lanes: L, from: &[f32], to: Int8ViewMut<'_>) {
    assert_eq!(from.len(), to.values.len());
    let rows = from.chunks_exact(to.width).zip(to.values.chunks_exact_mut(to.width)).zip(to.scales);
    for ((from, to), scale) in rows {
        let from = from.as_chunks::<LANES>().0;
        let (mut least, mut largest) = (lanes.splat(0.0), lanes.splat(0.0));
        for x in from {
            let x = lanes.load(x);
            least = lanes.min(least, x);
            largest = lanes.max(largest, x);
        }
        let (least, largest) = (lanes.least(least), lanes.largest(largest));
        let range = largest - least;
        // A row of zeros, or of numbers so small that the quotient would overflow, is zero.
        let inverse = if range < f32::MIN_POSITIVE * 256.0 { 0.0 } else { 255.0 / range };
        let zero = (-least * inverse).round_ties_even();
        *scale = Scale { scale: if range.is_finite() { range / 255.0 } else { f32::NAN }, zero: zero as i32 };
        let (inverse, zero) = (lanes.splat(inverse), lanes.splat(zero));
        for (x, to) in from.iter().zip(to.as_chunks_mut::<LANES>().0) {
            lanes.store_bytes(lanes.round(lanes.fma(lanes.load(x), inverse, zero)), to);
        }
    }
}

dispatch! {
    pub(super) fn product<'a>(
        weights: &'a PackedInt8,
        rows: Int8View<'a>,
        blocks: Range<usize>,
        epilogue: Epilogue<'a>,
        to: Output<'a>,
    ) = product_with;
}

#[inline(always)]
fn product_with<L: Lanes>(
    lanes: L,
    weights: &PackedInt8,
    rows: Int8View<'_>,
    blocks: Range<usize>,
    epilogue: Epilogue<'_>,
    to: Output<'_>,
) {
    assert_eq!(rows.width, weights.depth);
    assert!(blocks.end <= weights.blocks());
    let [most_rows, most_blocks] = L::INT_TILE;
    for group in parts(blocks.clone(), most_blocks) {
        let column = (group.start - blocks.start) * LANES;
        for tile in parts(0..rows.scales.len(), most_rows) {
            let (first, values) = (group.start, &mut to.values[tile.start * to.stride + column..]);
            let rows = Int8View {
                values: &rows.values[tile.start * rows.width..tile.end * rows.width],
                scales: &rows.scales[tile.clone()],
                width: rows.width,
            };
            with_count!(group.len(), L::INT_TILE[1], |B| with_count!(tile.len(), L::INT_TILE[0], |R| {
                one::<L, R, B>(lanes, weights, rows, first, epilogue, values, to.stride);
            }));
        }
    }
}

#[inline(always)]
fn one<L: Lanes, const R: usize, const B: usize>(
    lanes: L,
    weights: &PackedInt8,
    rows: Int8View<'_>,
    first: usize,
    epilogue: Epilogue<'_>,
    to: &mut [f32],
    stride: usize,
) {
    let quads = weights.depth / 4;
    let blocks = &weights.values[first * quads..(first + B) * quads];
    assert!(rows.values.len() >= R * 4 * quads && rows.scales.len() >= R);
    let mut written = MaybeUninit::<Line<[[[i32; LANES]; B]; R]>>::uninit();
    // SAFETY: there are so many rows and blocks, each of `4 * quads` elements, and as much room, all of which is written.
    let sums = unsafe {
        lanes.int_tile::<R, B>(
            Strided { start: rows.values.as_ptr(), stride: 4 * quads },
            Blocks { start: blocks.as_ptr().cast(), block_stride: quads * 4 * LANES, stride: 4 * LANES },
            quads,
            StridedMut { start: written.as_mut_ptr().cast(), stride: B * LANES },
        );
        written.assume_init_ref()
    };
    let to = Output { values: to, stride };
    with_epilogue!(epilogue, |finish| scale_tile(lanes, weights, sums, rows.scales, first, finish, to));
}

/// Turns integer sums into numbers, and stores them.
#[inline(always)]
fn scale_tile<L: Lanes, const R: usize, const B: usize>(
    lanes: L,
    weights: &PackedInt8,
    sums: &Line<[[[i32; LANES]; B]; R]>,
    scales: &[Scale],
    first: usize,
    finish: impl Finish,
    to: Output<'_>,
) {
    for block in 0..B {
        let weight_sums = lanes.load_int(&weights.sums[first + block].0);
        let weight_scales = lanes.load(&weights.scales[first + block].0);
        let bias = lanes.load(&weights.bias[first + block].0);
        for (row, scale) in scales[..R].iter().enumerate() {
            let to = vector_mut(&mut to.values[row * to.stride + block * LANES..]);
            let sum = lanes.load_int(&sums.0[row][block]);
            let sum = lanes.float(lanes.sub_product(sum, lanes.splat_int(scale.zero), weight_sums));
            let value = lanes.fma(sum, lanes.mul(lanes.splat(scale.scale), weight_scales), bias);
            lanes.store(finish.finish(lanes, value, to), to);
        }
    }
}
