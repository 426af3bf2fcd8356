//! From token ids to logits.

use std::cell::RefCell;
use std::ops::Range;

use firebrand_arch::{NormPlacement, Tokens};
use firebrand_kernels::inference::{
    Added, AttentionScratch, Buffer, Epilogue, HeadRows, Heads, LANES, Norm, Operand, OperandMut, Output, PackedLinear,
    add, attention, norm, padded,
};
use rayon::prelude::*;

use super::Network;
use super::distances::{DistanceScratch, Pairs};
use super::layer::Layer;
use super::positions::{Relative, Rotation, Shared};

/// Bytes of a group's widest activations in int8 models of moderate width: they stay in a core's own cache.
const GROUP_BYTES: usize = 600 << 10;
/// Rows of a group in float32 models. Their weights do not stay in a core's cache, so that more rows at a time, whose activations
/// leave it too, are the lesser evil.
const FLOAT_ROWS: usize = 256;

/// Memory that a unit uses from its first layer to its last.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    hidden: Buffer,
    /// What the next layer's projections read.
    operand: Option<Operand>,
    /// The attention output: for each head, `[rows, padded size]`.
    context: Buffer,
}

thread_local! {
    static HEAD: RefCell<HeadScratch> = RefCell::default();
    static GROUP: RefCell<GroupScratch> = RefCell::default();
}

/// Memory that a head uses.
#[derive(Debug, Default)]
struct HeadScratch {
    query: Buffer,
    rows: Buffer,
    added: Buffer,
    attention: AttentionScratch,
    distances: DistanceScratch,
}

/// Memory that a group of rows uses.
#[derive(Debug, Default)]
struct GroupScratch {
    rows: Buffer,
    operand: Option<Operand>,
    inner: Buffer,
    inner_operand: Option<Operand>,
}

/// A text of a unit.
#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    /// Its first row.
    start: usize,
    length: usize,
    type_ids: &'a [u32],
    /// The token that the head pools, if it is one.
    pooled: usize,
}

/// What a layer's heads share.
struct Attending<'a> {
    layer: &'a Layer,
    texts: &'a [Text<'a>],
    operand: &'a Operand,
    /// The pooled tokens' rows of the operand, if only their output is needed.
    selected: Option<Operand>,
    rotation: Option<&'a Rotation>,
    positions: &'a Shared,
    /// For each text, what its queries see.
    visible: Vec<Option<Vec<Range<usize>>>>,
    /// For each length of a text, Transformer-XL's vectors of distances.
    vectors: Vec<(usize, Vec<f32>)>,
    tokens: usize,
}

/// Rows that are computed together, and what becomes of them.
struct Group<'a> {
    rows: Range<usize>,
    hidden: &'a mut [f32],
    operand: OperandMut<'a>,
}

/// Calls a function for each item, on all threads of the pool or in order.
fn for_each<T: Send>(shared: bool, items: Vec<T>, f: impl Fn(T) + Sync + Send) {
    if shared && items.len() > 1 {
        items.into_par_iter().with_max_len(1).for_each(f);
    } else {
        items.into_iter().for_each(f);
    }
}

impl Network {
    /// The logits of rows.
    pub(super) fn forward(&self, rows: &[Tokens<'_>], shared: bool, scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let mut start = 0;
        let texts: Vec<Text<'_>> = rows
            .iter()
            .map(|row| {
                let length = row.ids.len();
                let pooled = self.head.pooled(row.ids, self.pad_token_id);
                start += length;
                Text { start: start - length, length, type_ids: row.type_ids, pooled }
            })
            .collect();
        let tokens = start;
        let Scratch { hidden, operand, context } = scratch;
        let operand = operand.get_or_insert_with(|| Operand::of_kind(&self.distinct[0].projections));
        let mut hidden = self.embed(rows, hidden);
        let embedded = self.convolution.as_ref().map(|_| hidden.to_vec());
        operand.resize(tokens, self.shape.hidden);
        let prepare = |layer: &Layer, hidden: &[f32], operand: &mut Operand| {
            GROUP.with_borrow_mut(|scratch| self.prepare(layer, hidden, &mut scratch.rows, &mut operand.as_mut()));
        };
        prepare(self.layer(0), hidden, operand);
        let longest = texts.iter().map(|text| text.length).max().unwrap_or(0);
        let positions = self.positions.shared(longest, self.shape.size);

        let mut narrowed = false;
        for index in 0..self.layers {
            let layer = self.layer(index);
            let convolution = self.convolution.as_ref().filter(|_| index == 0);
            let last = index + 1 == self.layers;
            let narrow = last && convolution.is_none() && !self.head.pools_all();
            let selection = narrow.then(|| texts.iter().map(|text| text.start + text.pooled));
            let attending = self.attending(index, &texts, operand, selection.clone(), &positions);
            let count = attending.selected.as_ref().map_or(tokens, |_| texts.len());
            self.attend(&attending, context, count, shared);
            if let Some(selection) = selection {
                hidden = keep(hidden, selection, self.shape.hidden);
                operand.resize(texts.len(), self.shape.hidden);
                narrowed = true;
            }
            let next = (!last).then(|| self.layer(index + 1));
            self.finish_rows(layer, next, hidden, operand, context.as_slice(), shared);
            if let (Some(convolution), Some(embedded)) = (convolution, &embedded) {
                let lengths: Vec<usize> = texts.iter().map(|text| text.length).collect();
                convolution.apply(self.isa, embedded, &lengths, hidden);
                if let Some(next) = next {
                    prepare(next, hidden, operand);
                }
            }
        }
        if !narrowed && !self.head.pools_all() {
            let selection = texts.iter().map(|text| text.start + text.pooled);
            hidden = keep(hidden, selection, self.shape.hidden);
        }
        if let Some(final_norm) = &self.final_norm {
            norm(self.isa, final_norm, hidden);
        }
        let pooled = match self.head.pools_all() {
            true => texts
                .iter()
                .flat_map(|text| self.mean(&hidden[text.start * self.shape.hidden..], text.length))
                .collect(),
            false => hidden.to_vec(),
        };
        self.head.logits(self.isa, pooled)
    }

    /// The parameters of a layer: with fewer distinct ones, neighbours share them.
    fn layer(&self, index: usize) -> &Layer {
        &self.distinct[index * self.distinct.len() / self.layers]
    }

    /// Writes what a layer's projections read: the hidden states, normalised by pre-norm models.
    fn prepare(&self, layer: &Layer, hidden: &[f32], buffer: &mut Buffer, operand: &mut OperandMut<'_>) {
        match (self.shape.placement, &layer.attention_norm) {
            (NormPlacement::Before { .. }, Some(own)) => self.fill_normed(own, hidden, buffer, operand),
            _ => operand.fill(self.isa, hidden),
        }
    }

    fn fill_normed(&self, own: &Norm, hidden: &[f32], buffer: &mut Buffer, operand: &mut OperandMut<'_>) {
        let rows = buffer.sized(hidden.len());
        rows.copy_from_slice(hidden);
        norm(self.isa, own, rows);
        operand.fill(self.isa, rows);
    }

    fn attending<'a>(
        &'a self,
        index: usize,
        texts: &'a [Text<'a>],
        operand: &'a Operand,
        selection: Option<impl Iterator<Item = usize> + Clone>,
        positions: &'a Shared,
    ) -> Attending<'a> {
        let (layer, local) = (self.layer(index), self.positions.is_local(index));
        let selected = selection.map(|selection| operand.gather(selection));
        let visible = texts.iter().map(|text| {
            let queries = if selected.is_some() { text.pooled..text.pooled + 1 } else { 0..text.length };
            self.positions.visible(local, queries, text.length)
        });
        let vectors = match &layer.relative {
            Relative::TransformerXl(relative) => {
                let mut lengths: Vec<usize> = texts.iter().map(|text| text.length).collect();
                lengths.sort_unstable();
                lengths.dedup();
                lengths.into_iter().map(|length| (length, relative.vectors(self.isa, length))).collect()
            }
            Relative::None | Relative::Disentangled(_) => Vec::new(),
        };
        Attending {
            layer,
            texts,
            operand,
            visible: visible.collect(),
            selected,
            rotation: positions.rotation(local),
            positions,
            vectors,
            tokens: texts.iter().map(|text| text.length).sum(),
        }
    }

    /// Writes the attention output of `count` rows, head by head.
    fn attend(&self, attending: &Attending<'_>, context: &mut Buffer, count: usize, shared: bool) {
        let head_length = count * self.shape.padded_size;
        let context = context.sized(self.shape.heads * head_length);
        let heads = context.chunks_exact_mut(head_length).enumerate().collect();
        for_each(shared, heads, |(head, to)| {
            HEAD.with_borrow_mut(|scratch| self.head_of_texts(attending, head, to, scratch));
        });
    }

    /// One head of all texts.
    fn head_of_texts(&self, attending: &Attending<'_>, head: usize, to: &mut [f32], scratch: &mut HeadScratch) {
        let Attending { layer, texts, operand, ref selected, tokens, .. } = *attending;
        let size = self.shape.padded_size;
        let (blocks, first) = (size / LANES, head * 3 * size / LANES);
        let HeadScratch { query, rows, added, attention: attention_scratch, distances } = scratch;
        let project = |rows, blocks, values: &mut [f32], stride| {
            layer.projections.apply(self.isa, rows, blocks, Epilogue::Store, Output { values, stride });
        };
        // Rows of queries, keys and values, or of keys and values with the few queries apart.
        let (stride, key_at) = if selected.is_some() { (2 * size, 0) } else { (3 * size, size) };
        let rows = rows.sized(tokens * stride);
        project(
            operand.rows(0..tokens),
            first + (blocks * usize::from(selected.is_some()))..first + 3 * blocks,
            rows,
            stride,
        );
        let query = query.sized(selected.as_ref().map_or(0, |_| texts.len() * size));
        if let Some(selected) = selected {
            project(selected.rows(0..texts.len()), first..first + blocks, query, size);
        }
        if let Some(rotation) = attending.rotation {
            for (index, text) in texts.iter().enumerate() {
                for position in 0..text.length {
                    let row = &mut rows[(text.start + position) * stride..][..stride];
                    rotation.rotate(&mut row[key_at..][..self.shape.size], position);
                    if selected.is_none() {
                        rotation.rotate(&mut row[..self.shape.size], position);
                    }
                }
                if selected.is_some() {
                    rotation.rotate(&mut query[index * size..][..self.shape.size], text.pooled);
                }
            }
        }
        for (index, text) in texts.iter().enumerate() {
            let part = |at: usize| HeadRows { values: &rows[text.start * stride + at..], stride, count: text.length };
            let (query, first_query, to) = match selected {
                Some(_) => {
                    let values = &query[index * size..];
                    (HeadRows { values, stride: size, count: 1 }, text.pooled, &mut to[index * size..][..size])
                }
                None => (part(0), 0, &mut to[text.start * size..][..text.length * size]),
            };
            let pairs = Pairs {
                query,
                key: part(key_at),
                first: first_query,
                size,
                segments: text.type_ids,
                ranges: attending.positions.ranges(text.length),
            };
            let added = self.added(attending, head, text, pairs, added, distances);
            let heads = Heads {
                query,
                key: pairs.key,
                value: part(key_at + size),
                size,
                visible: attending.visible[index].as_deref(),
                added,
            };
            attention(self.isa, &heads, attention_scratch, Output { values: to, stride: size });
        }
    }

    /// What is added to the scores of a head of a text.
    fn added<'a>(
        &self,
        attending: &Attending<'_>,
        head: usize,
        text: &Text<'_>,
        pairs: Pairs<'_>,
        values: &'a mut Buffer,
        scratch: &mut DistanceScratch,
    ) -> Option<Added<'a>> {
        let bias = self.positions.bias(head);
        if bias.is_none() && matches!(attending.layer.relative, Relative::None) {
            return None;
        }
        let stride = padded(text.length);
        let values = values.sized(pairs.query.count * stride);
        values.fill(0.0);
        if let Some(bias) = bias {
            for (query, values) in values.chunks_exact_mut(stride).enumerate() {
                let ranges = &pairs.ranges[pairs.first_distance(query)..];
                values[..text.length].iter_mut().zip(ranges).for_each(|(value, &range)| *value = bias[range]);
            }
        }
        match &attending.layer.relative {
            Relative::None => (),
            Relative::Disentangled(relative) => relative.add(self.isa, head, pairs, scratch, output(values, stride)),
            Relative::TransformerXl(relative) => {
                let vectors = attending.vectors.iter().find(|(length, _)| *length == text.length);
                let vectors = vectors.map_or(&[][..], |(_, vectors)| vectors);
                relative.add(self.isa, head, pairs, vectors, scratch, output(values, stride));
            }
        }
        Some(Added { values, stride })
    }

    /// The rest of a layer: the attention output's linear layer, feed-forward, and the next layer's operand.
    fn finish_rows(
        &self,
        layer: &Layer,
        next: Option<&Layer>,
        hidden: &mut [f32],
        operand: &mut Operand,
        context: &[f32],
        shared: bool,
    ) {
        let width = self.shape.hidden;
        let count = hidden.len() / width;
        let largest = match &layer.up {
            PackedLinear::Float(_) => FLOAT_ROWS,
            PackedLinear::Int8(_) => (GROUP_BYTES / (4 * layer.up.width())).clamp(96, 240),
        };
        let threads = if shared { rayon::current_num_threads() } else { 1 };
        let parts = count.div_ceil(largest).max(threads.min(count.div_ceil(4)));
        let (mut hidden, mut operand) = (hidden, operand.as_mut());
        let mut groups = Vec::with_capacity(parts);
        for part in 0..parts {
            let rows = count * part / parts..count * (part + 1) / parts;
            let (first, others) = hidden.split_at_mut(rows.len() * width);
            let (first_operand, other_operands) = operand.split_at(rows.len());
            groups.push(Group { rows, hidden: first, operand: first_operand });
            (hidden, operand) = (others, other_operands);
        }
        for_each(shared, groups, |group| {
            GROUP.with_borrow_mut(|scratch| self.finish_group(layer, next, group, context, count, scratch));
        });
    }

    fn finish_group(
        &self,
        layer: &Layer,
        next: Option<&Layer>,
        group: Group<'_>,
        context: &[f32],
        count: usize,
        scratch: &mut GroupScratch,
    ) {
        let Group { rows, hidden, mut operand } = group;
        let (size, width) = (self.shape.padded_size, self.shape.hidden);
        let GroupScratch { rows: buffer, operand: heads_operand, inner, inner_operand } = scratch;

        // Heads one after the other, row by row.
        let heads_width = self.shape.heads * size;
        let joined = buffer.sized(rows.len() * heads_width);
        for (head, context) in context[..count * heads_width].chunks_exact(count * size).enumerate() {
            let context = context[rows.start * size..rows.end * size].chunks_exact(size);
            for (joined, context) in joined.chunks_exact_mut(heads_width).zip(context) {
                joined[head * size..(head + 1) * size].copy_from_slice(context);
            }
        }
        let heads_operand = heads_operand.get_or_insert_with(|| Operand::of_kind(&layer.output));
        heads_operand.take(self.isa, buffer, rows.len(), heads_width);
        let blocks = 0..layer.output.blocks();
        layer.output.apply(self.isa, heads_operand.rows(0..rows.len()), blocks, Epilogue::Add, output(hidden, width));

        match (self.shape.placement, &layer.attention_norm) {
            (NormPlacement::After, own) => {
                if let Some(own) = own {
                    norm(self.isa, own, hidden);
                }
                operand.fill(self.isa, hidden);
            }
            (NormPlacement::Before { .. }, _) => {
                self.fill_normed(&layer.mlp_norm, hidden, buffer, &mut operand);
            }
        }
        let inner_width = layer.up.width();
        let values = inner.sized(rows.len() * inner_width);
        let blocks = 0..layer.up.blocks();
        let epilogue = layer.activation.epilogue();
        layer.up.apply(self.isa, operand.as_rows(), blocks.clone(), epilogue, output(values, inner_width));
        layer.activation.finish(values);
        if let Some(gate) = &layer.gate {
            gate.apply(self.isa, operand.as_rows(), blocks, Epilogue::Multiply, output(values, inner_width));
        }
        let inner_operand = inner_operand.get_or_insert_with(|| Operand::of_kind(&layer.down));
        inner_operand.take(self.isa, inner, rows.len(), inner_width);
        let blocks = 0..layer.down.blocks();
        layer.down.apply(self.isa, inner_operand.rows(0..rows.len()), blocks, Epilogue::Add, output(hidden, width));

        if self.shape.placement == NormPlacement::After {
            norm(self.isa, &layer.mlp_norm, hidden);
        }
        if let Some(next) = next {
            self.prepare(next, hidden, buffer, &mut operand);
        }
    }

    /// The mean of a text's hidden states.
    fn mean(&self, hidden: &[f32], length: usize) -> Vec<f32> {
        let mut mean = vec![0.0; self.shape.hidden];
        let share = 1.0 / length as f32;
        for row in hidden.chunks_exact(self.shape.hidden).take(length) {
            add(self.isa, row, &mut mean);
        }
        mean.iter_mut().for_each(|value| *value *= share);
        mean
    }
}

fn output(values: &mut [f32], stride: usize) -> Output<'_> {
    Output { values, stride }
}

/// Keeps only the rows with these indices, which must ascend.
fn keep(rows: &mut [f32], indices: impl Iterator<Item = usize>, width: usize) -> &mut [f32] {
    let mut count = 0;
    for index in indices {
        rows.copy_within(index * width..(index + 1) * width, count * width);
        count += 1;
    }
    &mut rows[..count * width]
}
