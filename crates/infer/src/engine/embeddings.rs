//! From token ids to the first hidden states.

use firebrand_arch::{PositionsConfig, Tokens};
use firebrand_kernels::inference::{Buffer, Epilogue, Norm, Operand, Output, PackedLinear, norm, padded};

use super::Network;
use crate::table::Table;

/// Embedding tables, a norm, and a projection.
#[derive(Debug)]
pub(super) struct Embeddings {
    pub(super) token: Table,
    pub(super) position: Option<(Table, PositionsConfig)>,
    pub(super) token_type: Option<Table>,
    /// Width of the tables.
    pub(super) size: usize,
    pub(super) norm: Option<Norm>,
    pub(super) norm_after_projection: bool,
    pub(super) projection: Option<PackedLinear>,
}

impl Embeddings {
    /// Models without segments ignore type ids.
    pub(super) fn has_type(&self, id: u32) -> bool {
        self.token_type.as_ref().is_none_or(|table| (id as usize) < table.rows())
    }
}

impl Network {
    /// The first hidden states of rows, one after the other, `[tokens, hidden]`.
    pub(super) fn embed<'a>(&self, rows: &[Tokens<'_>], hidden: &'a mut Buffer) -> &'a mut [f32] {
        let Embeddings { size, norm: own_norm, norm_after_projection, projection, .. } = &self.embeddings;
        let width = padded(*size);
        let tokens: usize = rows.iter().map(|row| row.ids.len()).sum();
        let normalise = |rows: &mut [f32]| {
            if let Some(own) = own_norm {
                norm(self.isa, own, rows);
            }
        };
        let Some(projection) = projection else {
            let hidden = hidden.sized(tokens * width);
            self.look_up(rows, hidden, width);
            normalise(hidden);
            return hidden;
        };
        let mut looked_up = Buffer::default();
        let looked_up = looked_up.sized(tokens * width);
        self.look_up(rows, looked_up, width);
        if !norm_after_projection {
            normalise(looked_up);
        }
        let mut operand = Operand::of_kind(projection);
        operand.resize(tokens, width);
        operand.as_mut().fill(self.isa, looked_up);
        let hidden = hidden.sized(tokens * self.shape.hidden);
        let to = Output { values: &mut *hidden, stride: self.shape.hidden };
        projection.apply(self.isa, operand.rows(0..tokens), 0..projection.blocks(), Epilogue::Store, to);
        if *norm_after_projection {
            normalise(hidden);
        }
        hidden
    }

    /// The sums of each token's rows in the tables, padded with zeros to `width`.
    fn look_up(&self, rows: &[Tokens<'_>], to: &mut [f32], width: usize) {
        let Embeddings { token, position, token_type, size, .. } = &self.embeddings;
        let mut to = to.chunks_exact_mut(width);
        for row in rows {
            let mut positions = position.iter().flat_map(|(table, config)| {
                positions(row.ids, *config, self.pad_token_id).map(move |position| (table, position))
            });
            for ((&id, &type_id), to) in row.ids.iter().zip(row.type_ids).zip(&mut to) {
                let (to, padding) = to.split_at_mut(*size);
                padding.fill(0.0);
                token.copy_row(id as usize, to);
                if let Some(table) = token_type {
                    table.add_row(type_id as usize, to);
                }
                if let Some((table, position)) = positions.next() {
                    table.add_row(position, to);
                }
            }
        }
    }
}

/// Each token's row in the position table.
fn positions(ids: &[u32], config: PositionsConfig, padding: u32) -> impl Iterator<Item = usize> {
    let mut counted = 0;
    ids.iter().enumerate().map(move |(index, &id)| {
        if !config.skip_padding {
            return config.first + index;
        }
        if id == padding {
            // Its own id, by the convention of RoBERTa.
            return config.first - 1;
        }
        counted += 1;
        config.first + counted - 1
    })
}
