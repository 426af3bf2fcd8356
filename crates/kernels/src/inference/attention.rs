//! Attention of one head of one text, within a core's own cache ([arXiv 1706.03762](https://arxiv.org/abs/1706.03762)).

use std::ops::Range;

use super::buffer::{Buffer, Line};
use super::curve::{exp, exp_terms};
use super::lanes::{Blocks, Lanes, Strided, StridedMut, vector};
use super::product::{MOST_ROWS, Output, parts, with_count};
use super::{LANES, padded};

/// Rows of a head, each as wide as the head, padded.
#[derive(Debug, Clone, Copy)]
pub struct HeadRows<'a> {
    /// From the first element of the first row to at least the last of the last.
    pub values: &'a [f32],
    /// Elements from one row to the next.
    pub stride: usize,
    /// Number of rows.
    pub count: usize,
}

/// Queries, keys and values of one head of one text. The queries are already scaled.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// The queries whose output is needed.
    pub query: HeadRows<'a>,
    /// The keys of all tokens.
    pub key: HeadRows<'a>,
    /// The values of all tokens.
    pub value: HeadRows<'a>,
    /// Width of the head, padded.
    pub size: usize,
    /// The keys that each query sees, at least one; `None` where all see all.
    pub visible: Option<&'a [Range<usize>]>,
    /// Added to the scores.
    pub added: Option<Added<'a>>,
}

/// Numbers added to scores: a row for each query, with an element for each key.
#[derive(Debug, Clone, Copy)]
pub struct Added<'a> {
    /// Row-major.
    pub values: &'a [f32],
    /// Elements from one row to the next: at least the number of keys, padded.
    pub stride: usize,
}

/// Memory that [`attention`] reuses.
#[derive(Debug, Clone, Default)]
pub struct AttentionScratch {
    keys: Vec<Line<[f32; LANES]>>,
    scores: Buffer,
}

/// The keys in blocks of sixteen: for each block and each of `size` elements, the element of the block's keys.
#[inline(always)]
fn transpose_keys<L: Lanes>(lanes: L, key: HeadRows<'_>, size: usize, to: &mut Vec<Line<[f32; LANES]>>) {
    to.clear();
    for block in (0..key.count).step_by(LANES) {
        for column in (0..size).step_by(LANES) {
            let mut rows = [lanes.splat(0.0); LANES];
            for (row, to) in rows.iter_mut().take(key.count - block).enumerate() {
                *to = lanes.load(vector(&key.values[(block + row) * key.stride + column..]));
            }
            let first = to.len();
            to.resize(first + LANES, Line::default());
            for (column, to) in lanes.transpose(rows).into_iter().zip(&mut to[first..]) {
                lanes.store(column, &mut to.0);
            }
        }
    }
}

dispatch! {
    /// Writes the products of queries with keys: for each query, one for each key.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn scores<'a>(query: HeadRows<'a>, key: HeadRows<'a>, size: usize, scratch: &'a mut AttentionScratch, to: Output<'a>)
        = scores_with;
}

#[inline(always)]
fn scores_with<L: Lanes>(
    lanes: L,
    query: HeadRows<'_>,
    key: HeadRows<'_>,
    size: usize,
    scratch: &mut AttentionScratch,
    to: Output<'_>,
) {
    transpose_keys(lanes, key, size, &mut scratch.keys);
    let heads = Heads { query, key, value: key, size, visible: None, added: None };
    for tile in parts(0..query.count, L::FLOAT_TILE[0]) {
        let to_tile = &mut to.values[tile.start * to.stride..];
        let blocks = 0..key.count.div_ceil(LANES);
        with_count!(tile.len(), L::FLOAT_TILE[0], |R| score::<L, R>(
            lanes,
            &heads,
            &scratch.keys,
            tile.start,
            blocks.clone(),
            to_tile,
            to.stride
        ));
    }
}

dispatch! {
    /// Writes the attention output of the queries, `head.size` elements each.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn attention<'a>(heads: &'a Heads<'a>, scratch: &'a mut AttentionScratch, to: Output<'a>) = attention_with;
}

#[inline(always)]
fn attention_with<L: Lanes>(lanes: L, heads: &Heads<'_>, scratch: &mut AttentionScratch, to: Output<'_>) {
    let AttentionScratch { keys, scores } = scratch;
    transpose_keys(lanes, heads.key, heads.size, keys);
    let stride = padded(heads.key.count);
    let scores = scores.sized(L::FLOAT_TILE[0] * stride);
    let terms = exp_terms();
    for tile in parts(0..heads.query.count, L::FLOAT_TILE[0]) {
        let visible = match heads.visible {
            None => 0..heads.key.count,
            Some(visible) => {
                let visible = &visible[tile.clone()];
                let (start, end) =
                    (visible.iter().map(|keys| keys.start).min(), visible.iter().map(|keys| keys.end).max());
                start.unwrap_or(0)..end.unwrap_or(0)
            }
        };
        // Whole blocks are computed: from this block to that one.
        let blocks = visible.start / LANES..visible.end.div_ceil(LANES);
        assert!(visible.end <= heads.key.count && visible.start < visible.end);
        with_count!(tile.len(), L::FLOAT_TILE[0], |R| score::<L, R>(
            lanes,
            heads,
            keys,
            tile.start,
            blocks.clone(),
            scores,
            stride
        ));
        let mut factors = [0.0; MOST_ROWS];
        for (row, factor) in tile.clone().zip(&mut factors) {
            let keys = heads.visible.map_or(0..heads.key.count, |visible| visible[row].clone());
            let scores = &mut scores[(row - tile.start) * stride..][blocks.start * LANES..blocks.end * LANES];
            let first = blocks.start * LANES;
            let added = heads.added.map(|added| &added.values[row * added.stride + first..][..scores.len()]);
            *factor = softmax(lanes, &terms, scores, added, keys.start - first..keys.end - first);
        }
        with_count!(tile.len(), L::FLOAT_TILE[0], |R| {
            let to = Output { values: &mut to.values[tile.start * to.stride..], stride: to.stride };
            weigh::<L, R>(lanes, heads, scores, stride, visible, &factors, to);
        });
    }
}

/// Scores of `R` queries and some blocks of keys, without what is added to them.
#[inline(always)]
fn score<L: Lanes, const R: usize>(
    lanes: L,
    heads: &Heads<'_>,
    keys: &[Line<[f32; LANES]>],
    first: usize,
    blocks: Range<usize>,
    scores: &mut [f32],
    stride: usize,
) {
    let (size, query) = (heads.size, heads.query);
    let rows = &query.values[first * query.stride..];
    assert!(rows.len() >= (R - 1) * query.stride + size);
    let rows = Strided { start: rows.as_ptr(), stride: query.stride };
    for group in parts(blocks, L::FLOAT_TILE[1]) {
        let keys = &keys[group.start * size..group.end * size];
        let keys = Blocks { start: keys.as_ptr().cast(), block_stride: size * LANES, stride: LANES };
        let scores = &mut scores[group.start * LANES..][..(R - 1) * stride + group.len() * LANES];
        let to = StridedMut { start: scores.as_mut_ptr(), stride };
        // SAFETY: there are so many queries and blocks of keys, each of `size` elements, and as much room.
        with_count!(group.len(), L::FLOAT_TILE[1], |B| unsafe {
            lanes.float_tile::<R, B, false>(rows, keys, size, to);
        });
    }
}

/// Exponentials of the visible scores, relative to the largest; zero elsewhere. Returns the inverse of their sum.
#[inline(always)]
fn softmax<L: Lanes>(
    lanes: L,
    terms: &[f32; 6],
    scores: &mut [f32],
    added: Option<&[f32]>,
    visible: Range<usize>,
) -> f32 {
    if let Some(added) = added {
        for (x, added) in scores.as_chunks_mut::<LANES>().0.iter_mut().zip(added.as_chunks::<LANES>().0) {
            lanes.store(lanes.add(lanes.load(x), lanes.load(added)), x);
        }
    }
    scores[..visible.start].fill(f32::NEG_INFINITY);
    scores[visible.end..].fill(f32::NEG_INFINITY);
    let blocks = scores.as_chunks_mut::<LANES>().0;
    let mut largest = lanes.splat(f32::NEG_INFINITY);
    for x in &*blocks {
        largest = lanes.max(largest, lanes.load(x));
    }
    let largest = lanes.splat(lanes.largest(largest));
    let mut sum = lanes.splat(0.0);
    for x in blocks {
        let y = exp(lanes, terms, lanes.sub(lanes.load(x), largest));
        sum = lanes.add(sum, y);
        lanes.store(y, x);
    }
    scores[..visible.start].fill(0.0);
    scores[visible.end..].fill(0.0);
    1.0 / lanes.sum(sum)
}

/// Sums of values, weighted by the exponentials.
#[inline(always)]
fn weigh<L: Lanes, const R: usize>(
    lanes: L,
    heads: &Heads<'_>,
    weights: &[f32],
    stride: usize,
    visible: Range<usize>,
    factors: &[f32; MOST_ROWS],
    to: Output<'_>,
) {
    let value = heads.value;
    let weights = &weights[visible.start..];
    let values = &value.values[visible.start * value.stride..];
    let depth = visible.len();
    assert!(weights.len() >= (R - 1) * stride + depth && values.len() >= (depth - 1) * value.stride + heads.size);
    let rows = Strided { start: weights.as_ptr(), stride };
    for columns in parts(0..heads.size.div_ceil(LANES), L::FLOAT_TILE[1]) {
        let (first, count) = (columns.start * LANES, columns.len() * LANES);
        let values = Blocks { start: values[first..].as_ptr(), block_stride: LANES, stride: value.stride };
        let values_to = &mut to.values[first..][..(R - 1) * to.stride + count];
        let tile = StridedMut { start: values_to.as_mut_ptr(), stride: to.stride };
        // SAFETY: there are so many weights of each query, and as many values, each of `size` elements, and as much room.
        with_count!(columns.len(), L::FLOAT_TILE[1], |B| unsafe {
            lanes.float_tile::<R, B, false>(rows, values, depth, tile);
        });
        for (row, factor) in factors[..R].iter().enumerate() {
            for x in values_to[row * to.stride..][..count].as_chunks_mut::<LANES>().0 {
                lanes.store(lanes.mul(lanes.load(x), lanes.splat(*factor)), x);
            }
        }
    }
}
