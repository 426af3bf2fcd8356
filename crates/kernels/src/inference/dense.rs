//! Linear layers in single precision.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::buffer::Line;
use super::lanes::vector_mut;
use super::lanes::{Blocks, Lanes, Strided, StridedMut};
use super::product::{Add, Epilogue, Finish, Multiply, Output, Relu, Store, row_tiles, with_epilogue, with_rows};
use super::{LANES, padded};

/// Weights in single precision, in blocks of sixteen outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedFloat {
    /// For each block and each input, the weights of the block's outputs.
    values: Vec<Line<[f32; LANES]>>,
    /// Of each output.
    bias: Vec<Line<[f32; LANES]>>,
    /// Inputs, padded.
    depth: usize,
}

impl PackedFloat {
    /// Weights and biases that are all zero.
    pub fn new(outputs: usize, inputs: usize) -> Self {
        let (blocks, depth) = (padded(outputs) / LANES, padded(inputs));
        Self { values: vec![Line::default(); blocks * depth], bias: vec![Line::default(); blocks], depth }
    }

    /// Sets the weight from an input to an output.
    ///
    /// # Panics
    /// When there is no such output or input.
    pub fn set_weight(&mut self, output: usize, input: usize, weight: f32) {
        assert!(input < self.depth);
        self.values[output / LANES * self.depth + input].0[output % LANES] = weight;
    }

    /// Sets an output's bias.
    ///
    /// # Panics
    /// When there is no such output.
    pub fn set_bias(&mut self, output: usize, bias: f32) {
        self.bias[output / LANES].0[output % LANES] = bias;
    }

    pub(super) fn blocks(&self) -> usize {
        self.bias.len()
    }
}

dispatch! {
    pub(super) fn product<'a>(
        weights: &'a PackedFloat,
        rows: &'a [f32],
        width: usize,
        blocks: Range<usize>,
        epilogue: Epilogue<'a>,
        to: Output<'a>,
    ) = product_with;
}

#[inline(always)]
fn product_with<L: Lanes>(
    lanes: L,
    weights: &PackedFloat,
    rows: &[f32],
    width: usize,
    blocks: Range<usize>,
    epilogue: Epilogue<'_>,
    to: Output<'_>,
) {
    assert_eq!(width, weights.depth);
    assert!(blocks.end <= weights.blocks());
    let [most_rows, most_blocks] = L::FLOAT_TILE;
    let count = rows.len() / width;
    for first in blocks.clone().step_by(most_blocks) {
        let paired = most_blocks == 2 && first + 1 < blocks.end;
        let column = (first - blocks.start) * LANES;
        for tile in row_tiles(count, most_rows) {
            let rows = &rows[tile.start * width..tile.end * width];
            let values = &mut to.values[tile.start * to.stride + column..];
            if paired {
                with_rows!(tile.len(), L::FLOAT_TILE[0], |R| one::<L, R, 2>(
                    lanes, weights, rows, first, epilogue, values, to.stride
                ));
            } else {
                with_rows!(tile.len(), L::FLOAT_TILE[0], |R| one::<L, R, 1>(
                    lanes, weights, rows, first, epilogue, values, to.stride
                ));
            }
        }
    }
}

#[inline(always)]
fn one<L: Lanes, const R: usize, const B: usize>(
    lanes: L,
    weights: &PackedFloat,
    rows: &[f32],
    first: usize,
    epilogue: Epilogue<'_>,
    to: &mut [f32],
    stride: usize,
) {
    let depth = weights.depth;
    let blocks = &weights.values[first * depth..(first + B) * depth];
    assert!(rows.len() >= R * depth);
    let mut written = MaybeUninit::<Line<[[[f32; LANES]; B]; R]>>::uninit();
    // SAFETY: there are so many rows and blocks, each of `depth` elements, and as much room, all of which is written.
    let sums = unsafe {
        lanes.float_tile::<R, B>(
            Strided { start: rows.as_ptr(), stride: depth },
            Blocks { start: blocks.as_ptr().cast(), block_stride: depth * LANES, stride: LANES },
            depth,
            StridedMut { start: written.as_mut_ptr().cast(), stride: B * LANES },
        );
        written.assume_init_ref()
    };
    let to = Output { values: to, stride };
    with_epilogue!(epilogue, |finish| finish_tile(lanes, sums, &weights.bias[first..first + B], finish, to));
}

/// Adds biases to sums, and stores them.
#[inline(always)]
fn finish_tile<L: Lanes, const R: usize, const B: usize>(
    lanes: L,
    sums: &Line<[[[f32; LANES]; B]; R]>,
    bias: &[Line<[f32; LANES]>],
    finish: impl Finish,
    to: Output<'_>,
) {
    for (block, bias) in bias.iter().enumerate() {
        let bias = lanes.load(&bias.0);
        for (row, sums) in sums.0.iter().enumerate() {
            let to = vector_mut(&mut to.values[row * to.stride + block * LANES..]);
            let value = lanes.add(lanes.load(&sums[block]), bias);
            lanes.store(finish.finish(lanes, value, to), to);
        }
    }
}
