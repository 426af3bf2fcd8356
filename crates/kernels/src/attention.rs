//! Attention without its matrix of scores.
//!
//! For each text and head, a block of queries at a time: scores, softmax, dropout and the weighted sum of values, while the
//! block lies in a core's own cache. The backward pass computes the block again from what little was kept
//! ([arXiv 2205.14135](https://arxiv.org/abs/2205.14135) does this on GPUs).

use pulp::Arch;
use rayon::prelude::*;

use crate::dropout::Mask;
use crate::product::{Columns, Matrix, product};
use crate::softmax::{self, Bias};

/// Queries of a block.
const BLOCK: usize = 128;

/// The shape of queries, keys, values and their gradients: `[tokens, heads * size]`, texts one after the other; and what is
/// done with them.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Tokens of each text. They see those of the same text.
    pub lengths: &'a [usize],
    /// Number of heads.
    pub heads: usize,
    /// Numbers of a head.
    pub size: usize,
    /// What scores are multiplied by.
    pub scale: f32,
    /// What is added to the scaled scores; of a shorter text than the longest, the first queries and keys.
    pub bias: Option<Bias<'a>>,
    /// Dropout of the weights: the mask of the texts' `[heads, length, length]`, one after the other.
    pub dropout: Option<Mask>,
}

/// A head of a text.
#[derive(Debug, Clone, Copy)]
struct Task {
    text: usize,
    head: usize,
    /// Tokens of the text.
    length: usize,
    /// Where its numbers begin.
    start: usize,
    /// Where its part of the mask begins.
    mask: usize,
}

/// Queries, keys and values.
pub type Inputs<'a> = [&'a [f32]; 3];

impl<'a> Attention<'a> {
    /// Numbers of queries, keys, values or answers.
    pub fn numbers(&self) -> usize {
        self.tokens() * self.stride()
    }

    /// Numbers that the forward pass keeps: two for each head and query.
    pub fn kept(&self) -> usize {
        2 * self.heads * self.tokens()
    }

    /// The answers into `output`; what the backward pass needs into `kept`.
    ///
    /// # Panics
    /// When a slice has another length than [`Attention`] says.
    pub fn forward(&self, arch: Arch, inputs: Inputs<'_>, output: &mut [f32], kept: &mut [f32]) {
        let size = self.size;
        assert!(inputs.iter().all(|x| x.len() == output.len()));
        assert!(output.len() == self.numbers() && kept.len() == self.kept());
        let output = Columns::new(output);
        let mut rest = kept;
        let tasks: Vec<_> = self
            .tasks()
            .map(|task| {
                let (kept, others) = std::mem::take(&mut rest).split_at_mut(2 * task.length);
                rest = others;
                (task, kept)
            })
            .collect();
        tasks.into_par_iter().for_each_init(Vec::new, |scratch, (task, kept)| {
            let length = task.length;
            let [query, key, value] = inputs.map(|x| self.part(x, task));
            for (block, kept) in kept.chunks_mut(2 * BLOCK).enumerate() {
                let (first, count) = (block * BLOCK, kept.len() / 2);
                let [weights, mask] = pieces(scratch, count * length);
                product(weights, [count, length, size], query.from(first), key.transposed());
                let pairs = weights.chunks_exact_mut(length).zip(kept.chunks_exact_mut(2));
                for (row, (weights, kept)) in pairs.enumerate() {
                    let found = softmax::forward_row(arch, weights, self.scale, self.bias(task, first + row));
                    kept.copy_from_slice(&found);
                }
                if let Some(dropout) = self.dropout {
                    softmax::drop_task(arch, dropout, task.mask + first * length, mask);
                    softmax::multiply(arch, mask, weights);
                }
                let place = [task.start + first * self.stride(), self.stride()];
                // SAFETY: these are a text's rows and a head's columns, which no other task has.
                unsafe { output.product(place, false, [count, size, length], Matrix::dense(weights, length), value) };
            }
        });
    }

    /// The gradients of queries, keys and values into `gradients`, from that of the answers.
    ///
    /// # Panics
    /// When a slice has another length than [`Attention`] says.
    pub fn backward(&self, arch: Arch, inputs: Inputs<'_>, kept: &[f32], gradient: &[f32], gradients: [&mut [f32]; 3]) {
        let size = self.size;
        assert!(
            inputs.iter().all(|x| x.len() == gradient.len()) && gradients.iter().all(|x| x.len() == gradient.len())
        );
        assert!(gradient.len() == self.numbers() && kept.len() == self.kept());
        let gradients = gradients.map(Columns::new);
        let mut rest = kept;
        let tasks: Vec<_> = self
            .tasks()
            .map(|task| {
                let (kept, others) = rest.split_at(2 * task.length);
                rest = others;
                (task, kept)
            })
            .collect();
        tasks.into_par_iter().for_each_init(Vec::new, |scratch, (task, kept)| {
            let length = task.length;
            let [query, key, value] = inputs.map(|x| self.part(x, task));
            let gradient = self.part(gradient, task);
            for (block, kept) in kept.chunks(2 * BLOCK).enumerate() {
                let (first, count) = (block * BLOCK, kept.len() / 2);
                let [weights, scores, mask] = pieces(scratch, count * length);
                let (query, gradient) = (query.from(first), gradient.from(first));
                product(weights, [count, length, size], query, key.transposed());
                for (row, (weights, kept)) in weights.chunks_exact_mut(length).zip(kept.chunks_exact(2)).enumerate() {
                    let kept = [kept[0], kept[1]];
                    softmax::again_row(arch, weights, self.scale, self.bias(task, first + row), kept);
                }
                product(scores, [count, length, size], gradient, value.transposed());
                if let Some(dropout) = self.dropout {
                    softmax::drop_task(arch, dropout, task.mask + first * length, mask);
                    softmax::multiply(arch, mask, scores);
                }
                for (weights, scores) in weights.chunks_exact(length).zip(scores.chunks_exact_mut(length)) {
                    softmax::backward_row(arch, weights, self.scale, scores);
                }
                if self.dropout.is_some() {
                    softmax::multiply(arch, mask, weights);
                }
                let (weights, scores) = (Matrix::dense(weights, length), Matrix::dense(scores, length));
                let stride = self.stride();
                let [all, some] = [task.start, task.start + first * stride];
                let [queries, keys, values] = gradients;
                let add = block > 0;
                // SAFETY: these are a text's rows and a head's columns, which no other task has.
                unsafe {
                    queries.product([some, stride], false, [count, size, length], scores, key);
                    keys.product([all, stride], add, [length, size, count], scores.transposed(), query);
                    values.product([all, stride], add, [length, size, count], weights.transposed(), gradient);
                }
            }
        });
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

    fn part<'b>(&self, values: &'b [f32], task: Task) -> Matrix<'b> {
        Matrix { values: &values[task.start..], strides: [self.stride(), 1] }
    }

    fn bias(&self, task: Task, query: usize) -> Option<&[f32]> {
        self.bias.as_ref().map(|bias| bias.row([task.text, task.head, query], task.length))
    }
}

/// Some pieces of memory that is used again and again; what they hold is left from the last time.
fn pieces<const N: usize>(scratch: &mut Vec<f32>, length: usize) -> [&mut [f32]; N] {
    scratch.resize(scratch.len().max(N * length), 0.0);
    let mut pieces = scratch.chunks_exact_mut(length.max(1));
    std::array::from_fn(|_| pieces.next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
