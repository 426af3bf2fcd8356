//! Attention without the full matrix of scores.
//!
//! For each text and head, a block of queries at a time: scores, softmax, dropout and the weighted sum of values, while the
//! block stays in a core's own cache. The backward pass recomputes the block from two numbers per query
//! ([arXiv 2205.14135](https://arxiv.org/abs/2205.14135) does this on GPUs). Of each block, only the keys within its queries'
//! [`Window`] are computed.

mod window;

use std::mem::MaybeUninit;
use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

pub use window::Window;

use crate::dropout::Mask;
use crate::product::{Columns, Matrix, product};
use crate::softmax::{self, Bias};
use crate::uninit::written;

/// Queries of a block.
const BLOCK: usize = 128;

/// Attention over texts packed one after the other: queries, keys, values and their gradients are `[tokens, heads * size]`.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Number of tokens of each text. No text sees another.
    pub lengths: &'a [usize],
    /// Number of heads.
    pub heads: usize,
    /// Width of a head.
    pub size: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// The keys that a query sees.
    pub window: Window,
    /// Added to the scaled scores; a shorter text than the longest uses its first queries and keys.
    pub bias: Option<Bias<'a>>,
    /// Dropout of the attention weights: one mask over the texts' `[heads, length, length]`, one text after the other.
    pub dropout: Option<Mask>,
}

/// A head of a text.
#[derive(Debug, Clone, Copy)]
struct Task {
    text: usize,
    head: usize,
    /// Tokens of the text.
    length: usize,
    /// Index of its first element in queries, keys and values.
    start: usize,
    /// Index of its first element in the dropout mask.
    mask: usize,
}

/// Queries that are computed together, and the keys that they see.
#[derive(Debug, Clone)]
struct Block {
    task: Task,
    queries: Range<usize>,
    keys: Range<usize>,
}

/// Queries, keys and values.
pub type Inputs<'a> = [&'a [f32]; 3];

impl<'a> Attention<'a> {
    /// Number of elements of the queries, keys, values or output.
    pub fn elements(&self) -> usize {
        self.tokens() * self.stride()
    }

    /// Number of elements kept for the backward pass: two for each head and query.
    fn kept(&self) -> usize {
        2 * self.heads * self.tokens()
    }

    /// The attention output, and what the backward pass needs.
    ///
    /// # Panics
    /// When a slice has another length than [`Attention`] says.
    pub fn forward(&self, arch: Arch, inputs: Inputs<'_>) -> (Vec<f32>, Vec<f32>) {
        assert!(inputs.iter().all(|x| x.len() == self.elements()));
        let mut kept = vec![0.0; self.kept()];
        let mut rest = &mut kept[..];
        let tasks: Vec<_> = self
            .tasks()
            .map(|task| {
                let (kept, others) = std::mem::take(&mut rest).split_at_mut(2 * task.length);
                rest = others;
                (task, kept)
            })
            .collect();
        let write = |[output]: [&mut [MaybeUninit<f32>]; 1]| {
            let output = Columns::new(output);
            tasks.into_par_iter().for_each_init(Vec::new, |scratch, (task, kept)| {
                for (block, kept) in self.blocks(task).zip(kept.chunks_mut(2 * BLOCK)) {
                    self.forward_block(arch, inputs, &block, kept, output, scratch);
                }
            });
        };
        // SAFETY: the blocks are all queries of all heads of all texts, and each writes its output.
        let [output] = unsafe { written([self.elements()], write) };
        (output, kept)
    }

    fn forward_block(
        &self,
        arch: Arch,
        inputs: Inputs<'_>,
        block: &Block,
        kept: &mut [f32],
        output: Columns<'_>,
        scratch: &mut Vec<f32>,
    ) {
        let Block { task, ref queries, ref keys } = *block;
        let (rows, width, size) = (queries.len(), keys.len(), self.size);
        let [query, key, value] = inputs.map(|x| self.part(x, task));
        let (query, key, value) = (query.from(queries.start), key.from(keys.start), value.from(keys.start));
        let [weights, mask] = pieces(scratch, rows * width);
        product(weights, [rows, width, size], query, key.transposed());
        let pairs = weights.chunks_exact_mut(width).zip(kept.chunks_exact_mut(2));
        for ((weights, kept), query) in pairs.zip(queries.clone()) {
            let (weights, bias) = self.visible(block, query, weights);
            kept.copy_from_slice(&softmax::forward_row(arch, weights, self.scale, bias));
        }
        if let Some(dropout) = self.dropout {
            fill_mask(arch, dropout, block, mask);
            softmax::multiply_task(arch, mask, weights);
        }
        let place = [task.start + queries.start * self.stride(), self.stride()];
        // SAFETY: these are a text's rows and a head's columns, which no other task has.
        unsafe { output.product(place, false, [rows, size, width], Matrix::dense(weights, width), value) };
    }

    /// The gradients of queries, keys and values, from that of the output.
    ///
    /// # Panics
    /// When a slice has another length than [`Attention`] says.
    pub fn backward(&self, arch: Arch, inputs: Inputs<'_>, kept: &[f32], gradient: &[f32]) -> [Vec<f32>; 3] {
        assert!(inputs.iter().all(|x| x.len() == self.elements()));
        assert!(gradient.len() == self.elements() && kept.len() == self.kept());
        let mut rest = kept;
        let tasks: Vec<_> = self
            .tasks()
            .map(|task| {
                let (kept, others) = rest.split_at(2 * task.length);
                rest = others;
                (task, kept)
            })
            .collect();
        let write = |gradients: [&mut [MaybeUninit<f32>]; 3]| {
            let gradients = gradients.map(Columns::new);
            tasks.into_par_iter().for_each_init(Vec::new, |scratch, (task, kept)| {
                // Keys from here on have no gradient yet.
                let mut fresh = 0;
                for (block, kept) in self.blocks(task).zip(kept.chunks(2 * BLOCK)) {
                    self.backward_block(arch, inputs, &block, kept, gradient, gradients, fresh, scratch);
                    fresh = block.keys.end;
                }
            });
        };
        // SAFETY: the blocks are all queries of all heads of all texts, and each writes its gradient; a key is seen by the query
        // of its own token at least, and the first block that sees it writes its gradient and that of its value.
        unsafe { written([self.elements(); 3], write) }
    }

    #[expect(clippy::too_many_arguments, reason = "the pieces of one task")]
    fn backward_block(
        &self,
        arch: Arch,
        inputs: Inputs<'_>,
        block: &Block,
        kept: &[f32],
        gradient: &[f32],
        gradients: [Columns<'_>; 3],
        fresh: usize,
        scratch: &mut Vec<f32>,
    ) {
        let Block { task, ref queries, ref keys } = *block;
        let (rows, width, size) = (queries.len(), keys.len(), self.size);
        let [query, key, value] = inputs.map(|x| self.part(x, task));
        let (query, key, value) = (query.from(queries.start), key.from(keys.start), value.from(keys.start));
        let gradient = self.part(gradient, task).from(queries.start);
        let [weights, scores, mask] = pieces(scratch, rows * width);
        product(weights, [rows, width, size], query, key.transposed());
        for ((weights, kept), query) in weights.chunks_exact_mut(width).zip(kept.chunks_exact(2)).zip(queries.clone()) {
            let (weights, bias) = self.visible(block, query, weights);
            softmax::recompute_row(arch, weights, self.scale, bias, [kept[0], kept[1]]);
        }
        product(scores, [rows, width, size], gradient, value.transposed());
        if let Some(dropout) = self.dropout {
            fill_mask(arch, dropout, block, mask);
            softmax::multiply_task(arch, mask, scores);
        }
        let pairs = weights.chunks_exact_mut(width).zip(scores.chunks_exact_mut(width));
        for ((weights, scores), query) in pairs.zip(queries.clone()) {
            let ((weights, _), (scores, _)) = (self.visible(block, query, weights), self.visible(block, query, scores));
            softmax::backward_row(arch, weights, self.scale, scores);
        }
        if self.dropout.is_some() {
            softmax::multiply_task(arch, mask, weights);
        }
        let (weights, scores) = (Matrix::dense(weights, width), Matrix::dense(scores, width));
        let stride = self.stride();
        let place = |token: usize| [task.start + token * stride, stride];
        let [of_queries, of_keys, of_values] = gradients;
        // SAFETY: these are a text's rows and a head's columns, which no other task has.
        unsafe { of_queries.product(place(queries.start), false, [rows, size, width], scores, key) };
        // Earlier blocks have seen the keys before `fresh`.
        let fresh = fresh.clamp(keys.start, keys.end);
        for (part, add) in [(keys.start..fresh, true), (fresh..keys.end, false)] {
            let (place, sizes) = (place(part.start), [part.len(), size, rows]);
            let [scores, weights] = [scores, weights].map(|x| x.columns_from(part.start - keys.start).transposed());
            // SAFETY: as above; what is added to was written by an earlier block.
            unsafe {
                of_keys.product(place, add, sizes, scores, query);
                of_values.product(place, add, sizes, weights, gradient);
            }
        }
    }

    fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    fn stride(&self) -> usize {
        self.heads * self.size
    }

    /// The heads of the texts, in order; texts without tokens have none.
    fn tasks(self) -> impl Iterator<Item = Task> + use<'a> {
        let texts = self.lengths.iter().enumerate().scan((0, 0), move |(tokens, mask), (text, &length)| {
            let before = (*tokens, *mask);
            *tokens += length;
            *mask += self.heads * length * length;
            Some((text, length, before))
        });
        texts.filter(|&(_, length, _)| length > 0).flat_map(move |(text, length, (tokens, mask))| {
            (0..self.heads).map(move |head| Task {
                text,
                head,
                length,
                start: tokens * self.stride() + head * self.size,
                mask: mask + head * length * length,
            })
        })
    }

    /// The blocks of a head, in order.
    fn blocks(self, task: Task) -> impl Iterator<Item = Block> + use<'a> {
        (0..task.length).step_by(BLOCK).map(move |first| {
            let queries = first..(first + BLOCK).min(task.length);
            Block { task, keys: self.window.keys_of_block(queries.clone(), task.length), queries }
        })
    }

    fn part<'b>(&self, values: &'b [f32], task: Task) -> Matrix<'b> {
        Matrix { values: &values[task.start..], strides: [self.stride(), 1] }
    }

    /// Of a block's row, which is that of `query`: the part that the query sees, with its bias. The rest becomes 0.
    fn visible<'b>(&'b self, block: &Block, query: usize, row: &'b mut [f32]) -> (&'b mut [f32], Option<&'b [f32]>) {
        let Task { text, head, length, .. } = block.task;
        let seen = self.window.keys(query, length);
        let (row, after) = row.split_at_mut(seen.end - block.keys.start);
        let (before, row) = row.split_at_mut(seen.start - block.keys.start);
        before.fill(0.0);
        after.fill(0.0);
        (row, self.bias.as_ref().map(|bias| &bias.row([text, head, query], length)[seen]))
    }
}

/// A block's part of the dropout mask.
fn fill_mask(arch: Arch, dropout: Mask, block: &Block, mask: &mut [f32]) {
    let Block { task: Task { length, mask: start, .. }, queries, keys } = block;
    let first = start + queries.start * length + keys.start;
    if keys.len() == *length {
        return softmax::fill_task(arch, dropout, first, mask);
    }
    for (row, mask) in mask.chunks_exact_mut(keys.len()).enumerate() {
        softmax::fill_task(arch, dropout, first + row * length, mask);
    }
}

/// Pieces of scratch memory, which hold what its last use left.
fn pieces<const N: usize>(scratch: &mut Vec<f32>, length: usize) -> [&mut [f32]; N] {
    scratch.resize(scratch.len().max(N * length), 0.0);
    let mut pieces = scratch.chunks_exact_mut(length.max(1));
    std::array::from_fn(|_| pieces.next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
