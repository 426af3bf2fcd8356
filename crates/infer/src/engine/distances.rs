//! Attention that compares contents with distances: DeBERTa's and Transformer-XL's.
//!
//! A text of `length` tokens has `2 · length - 1` distances, query minus key, listed from `length - 1` down to `1 - length`
//! throughout; so the distance of query `i` and key `j` has index `length - 1 - i + j`.

use firebrand_arch::distances::{all, sinusoids};
use firebrand_kernels::inference::{
    AttentionScratch, Epilogue, HeadRows, Isa, Operand, Output, PackedLinear, padded, scores,
};

/// DeBERTa's vectors for ranges of distances, projected ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654)).
#[derive(Debug)]
pub(super) struct Disentangled {
    /// For each head, `[ranges, padded size]`: what queries are compared with.
    pub(super) keys: Option<Vec<Vec<f32>>>,
    /// The same: what keys are compared with, scaled.
    pub(super) queries: Option<Vec<Vec<f32>>>,
}

/// Transformer-XL's projection of sinusoidal vectors and its biases ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860)), with
/// XLNet's segments ([arXiv 1906.08237](https://arxiv.org/abs/1906.08237)). Queries have their content bias and are scaled.
#[derive(Debug)]
pub(super) struct TransformerXl {
    /// Distances are clipped to this value.
    pub(super) furthest: Option<usize>,
    /// Width of the sinusoidal vectors.
    pub(super) hidden: usize,
    /// Of the sinusoidal vectors; heads one after the other, padded.
    pub(super) projection: PackedLinear,
    /// For each head: added to a query that is compared with distances, instead of its content bias.
    pub(super) distance_bias: Vec<Vec<f32>>,
    /// The same for segments.
    pub(super) segment_bias: Vec<Vec<f32>>,
    /// For each head: compared with queries for keys in the same segment, and in the other one.
    pub(super) segment: Vec<[Vec<f32>; 2]>,
}

/// Memory that is reused.
#[derive(Debug, Default)]
pub(super) struct DistanceScratch {
    vectors: Vec<f32>,
    products: Vec<f32>,
    rows: Vec<f32>,
    attention: AttentionScratch,
}

/// Queries and keys of a head of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pairs<'a> {
    pub(super) query: HeadRows<'a>,
    pub(super) key: HeadRows<'a>,
    /// Position of the first query.
    pub(super) first: usize,
    /// Width of the head, padded.
    pub(super) size: usize,
    /// The segment of each token.
    pub(super) segments: &'a [u32],
    /// The range that each distance falls into, if the model has ranges.
    pub(super) ranges: &'a [usize],
}

impl Pairs<'_> {
    fn length(&self) -> usize {
        self.key.count
    }

    /// Where the distances of a query to all keys begin.
    pub(super) fn first_distance(&self, query: usize) -> usize {
        self.length() - 1 - (self.first + query)
    }
}

impl Disentangled {
    /// Adds to the scores of a head what distances add.
    pub(super) fn add(&self, isa: Isa, head: usize, pairs: Pairs<'_>, scratch: &mut DistanceScratch, to: Output<'_>) {
        let length = pairs.length();
        let width = padded(2 * length - 1);
        if let Some(keys) = &self.keys {
            Self::compare(isa, pairs.query, &keys[head], pairs, scratch);
            for query in 0..pairs.query.count {
                let products = &scratch.products[query * width + pairs.first_distance(query)..][..length];
                add_plain(products, &mut to.values[query * to.stride..]);
            }
        }
        if let Some(queries) = &self.queries {
            Self::compare(isa, pairs.key, &queries[head], pairs, scratch);
            for query in 0..pairs.query.count {
                let first = pairs.first_distance(query);
                for (key, to) in to.values[query * to.stride..][..length].iter_mut().enumerate() {
                    *to += scratch.products[key * width + first + key];
                }
            }
        }
    }

    /// The products of rows with the vectors of all distances in the text.
    fn compare(isa: Isa, rows: HeadRows<'_>, vectors: &[f32], pairs: Pairs<'_>, scratch: &mut DistanceScratch) {
        let (length, size) = (pairs.length(), pairs.size);
        let (count, width) = (2 * length - 1, padded(2 * length - 1));
        scratch.vectors.clear();
        for &row in pairs.ranges {
            scratch.vectors.extend_from_slice(&vectors[row * size..(row + 1) * size]);
        }
        let vectors = HeadRows { values: &scratch.vectors, stride: size, count };
        scratch.products.resize(rows.count * width, 0.0);
        let to = Output { values: &mut scratch.products, stride: width };
        scores(isa, rows, vectors, size, &mut scratch.attention, to);
    }
}

impl TransformerXl {
    /// The projected vectors of all distances in a text, for a head: `[distances, padded size]`.
    pub(super) fn vectors(&self, isa: Isa, length: usize) -> Vec<f32> {
        let furthest = self.furthest.map_or(i64::MAX, |furthest| furthest as i64);
        let near = all(length).map(|distance| distance.clamp(-furthest, furthest));
        let vectors = sinusoids(near, self.hidden);
        let count = 2 * length - 1;
        let width = padded(self.hidden);
        let mut rows = vec![0.0; count * width];
        for (row, vector) in rows.chunks_exact_mut(width).zip(vectors.chunks(self.hidden)) {
            row[..vector.len()].copy_from_slice(vector);
        }
        let mut operand = Operand::of_kind(&self.projection);
        operand.resize(count, width);
        operand.as_mut().fill(isa, &rows);
        let stride = self.projection.width();
        let mut projected = vec![0.0; count * stride];
        let to = Output { values: &mut projected, stride };
        self.projection.apply(isa, operand.rows(0..count), 0..self.projection.blocks(), Epilogue::Store, to);
        projected
    }

    /// Adds to the scores of a head what distances and segments add. `vectors` are those of [`vectors`](Self::vectors).
    pub(super) fn add(
        &self,
        isa: Isa,
        head: usize,
        pairs: Pairs<'_>,
        vectors: &[f32],
        scratch: &mut DistanceScratch,
        to: Output<'_>,
    ) {
        let (length, size) = (pairs.length(), pairs.size);
        let (count, width) = (2 * length - 1, padded(2 * length - 1));
        let all_heads = self.projection.width();
        scratch.rows.clear();
        for query in 0..pairs.query.count {
            let row = &pairs.query.values[query * pairs.query.stride..][..size];
            scratch.rows.extend(row.iter().zip(&self.distance_bias[head]).map(|(x, bias)| x + bias));
        }
        let rows = HeadRows { values: &scratch.rows, stride: size, count: pairs.query.count };
        let vectors = HeadRows { values: &vectors[head * size..], stride: all_heads, count };
        scratch.products.resize(pairs.query.count * width, 0.0);
        let output = Output { values: &mut scratch.products, stride: width };
        scores(isa, rows, vectors, size, &mut scratch.attention, output);
        for query in 0..pairs.query.count {
            let to = &mut to.values[query * to.stride..][..length];
            add_plain(&scratch.products[query * width + pairs.first_distance(query)..][..length], to);
            let row = &pairs.query.values[query * pairs.query.stride..][..size];
            let compare = |segment: &[f32]| -> f32 {
                row.iter()
                    .zip(&self.segment_bias[head])
                    .zip(segment)
                    .map(|((x, bias), segment)| (x + bias) * segment)
                    .sum()
            };
            let [same, other] = self.segment[head].each_ref().map(|segment| compare(segment));
            let own = pairs.segments[pairs.first + query];
            for (to, &segment) in to.iter_mut().zip(pairs.segments) {
                *to += if segment == own { same } else { other };
            }
        }
    }
}

/// `to += x`, in plain Rust.
fn add_plain(x: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += x);
}
