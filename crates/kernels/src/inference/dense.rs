//! Linear layers in single precision.

use std::ops::Range;

use super::buffer::Line;
use super::lanes::{Blocks, Lanes, Strided, StridedMut, vector_mut};
use super::product::{
    Add, Epilogue, Finish, MOST_BLOCKS, MOST_ROWS, Multiply, Output, Relu, Store, parts, with_count, with_epilogue,
};
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
    let tiles: Vec<Range<usize>> = parts(0..rows.len() / width, most_rows).collect();
    let mut sums = vec![Line([0.0; TILE]); tiles.len().min(TILES)];
    for group in parts(blocks.clone(), most_blocks) {
        let column = (group.start - blocks.start) * LANES;
        for tiles in parts(0..tiles.len(), TILES).map(|part| &tiles[part]) {
            sums.fill(Line([0.0; TILE]));
            for start in (0..width).step_by(DEPTH) {
                let part = start..width.min(start + DEPTH);
                for (tile, sums) in tiles.iter().zip(&mut sums) {
                    let rows = &rows[tile.start * width..tile.end * width];
                    let (first, part) = (group.start, part.clone());
                    with_count!(group.len(), L::FLOAT_TILE[1], |B| with_count!(tile.len(), L::FLOAT_TILE[0], |R| {
                        accumulate::<L, R, B>(lanes, weights, rows, first, part, sums);
                    }));
                }
            }
            let bias = &weights.bias[group.clone()];
            for (tile, sums) in tiles.iter().zip(&sums) {
                let to = Output { values: &mut to.values[tile.start * to.stride + column..], stride: to.stride };
                with_epilogue!(epilogue, |finish| finish_tile(lanes, sums, tile.len(), bias, finish, to));
            }
        }
    }
}

/// Elements of a row and of a block that are multiplied at a time: those of a tile's blocks stay in a core's first cache while
/// the rows of many tiles pass by.
const DEPTH: usize = 192;
/// Tiles that pass by.
const TILES: usize = 24;
/// Sums of the largest tile.
const TILE: usize = MOST_ROWS * MOST_BLOCKS * LANES;

/// Adds the products of a part of the rows and blocks to the sums of a tile.
#[inline(always)]
fn accumulate<L: Lanes, const R: usize, const B: usize>(
    lanes: L,
    weights: &PackedFloat,
    rows: &[f32],
    first: usize,
    part: Range<usize>,
    sums: &mut Line<[f32; TILE]>,
) {
    let depth = weights.depth;
    let blocks = &weights.values[first * depth..(first + B) * depth];
    assert!(rows.len() >= R * depth && part.start < part.end && part.end <= depth && R * B * LANES <= TILE);
    // SAFETY: there are so many rows and blocks, each of `depth` elements, and as much room.
    unsafe {
        lanes.float_tile::<R, B, true>(
            Strided { start: rows[part.start..].as_ptr(), stride: depth },
            Blocks { start: blocks[part.start..].as_ptr().cast(), block_stride: depth * LANES, stride: LANES },
            part.len(),
            StridedMut { start: sums.0.as_mut_ptr(), stride: B * LANES },
        );
    }
}

/// Adds biases to the sums of some rows, and stores them.
#[inline(always)]
fn finish_tile<L: Lanes>(
    lanes: L,
    sums: &Line<[f32; TILE]>,
    rows: usize,
    bias: &[Line<[f32; LANES]>],
    finish: impl Finish,
    to: Output<'_>,
) {
    let sums = sums.0.as_chunks::<LANES>().0;
    for (block, own) in bias.iter().enumerate() {
        let own = lanes.load(&own.0);
        for (row, sums) in sums.chunks_exact(bias.len()).take(rows).enumerate() {
            let to = vector_mut(&mut to.values[row * to.stride + block * LANES..]);
            let value = lanes.add(lanes.load(&sums[block]), own);
            lanes.store(finish.finish(lanes, value, to), to);
        }
    }
}
