//! From token ids to the first hidden states.

use firebrand_arch::{EmbeddingsConfig, PositionsConfig};
use firebrand_pipeline::Result;

use super::linear::Linear;
use super::{Builder, Inputs};
use crate::Precision;
use crate::convert;
use crate::graph::{Graph, Value};
use crate::proto::DataType;

impl Builder<'_> {
    /// `[batch, length, hidden]`.
    pub(crate) fn embeddings(&mut self, config: &EmbeddingsConfig, inputs: &Inputs, padding: u32) -> Result<Value> {
        self.graph.enter("embeddings");
        let size = config.size;
        let path = |name: &str| format!("encoder.embeddings.{name}");
        let mut x = self.token_rows(&path("token"), [config.vocabulary, size], &inputs.ids)?;
        if let Some(rows) = config.types {
            let table = self.parameter(&path("token_type"), &[rows, size])?;
            // Without segments to choose from, all tokens have the first one's.
            let rows = match &inputs.type_ids {
                Some(type_ids) => self.graph.gather(&table, type_ids, 0),
                None => {
                    let first = self.graph.int(0);
                    self.graph.gather(&table, &first, 0)
                }
            };
            x = self.graph.add(&x, &rows);
        }
        if let Some(positions) = config.positions {
            let table = self.parameter(&path("position"), &[positions.rows, size])?;
            let indices = self.positions(positions, inputs, padding);
            let rows = self.graph.gather(&table, &indices, 0);
            x = self.graph.add(&x, &rows);
        }
        let norm = config.norm;
        if let Some(norm) = norm.filter(|norm| !norm.after_projection) {
            x = self.norm(&path("norm"), size, norm.norm, &x)?;
        }
        if let Some(projection) = config.projection {
            let (inputs, outputs) = (size, projection.hidden);
            x = self.linear(Linear { path: &path("projection"), inputs, outputs, bias: projection.bias }, &x)?;
        }
        match norm.filter(|norm| norm.after_projection) {
            Some(norm) => self.norm(&path("norm"), config.output_size(), norm.norm, &x),
            None => Ok(x),
        }
    }

    /// Each token's row in the table of token embeddings.
    fn token_rows(&mut self, path: &str, shape: [usize; 2], ids: &Value) -> Result<Value> {
        if self.graph.precision() != Precision::Int8 {
            let table = self.parameter(path, &shape)?;
            return Ok(self.graph.gather(&table, ids, 0));
        }
        let matrix = self.source.int8_table(path, shape)?;
        let [table, scales] = convert::int8_table(&mut self.graph, path, matrix, shape[1]);
        let rows = self.graph.gather(&table, ids, 0);
        let rows = self.graph.cast(&rows, DataType::Float32);
        let scales = self.graph.gather(&scales, ids, 0);
        Ok(self.graph.mul(&rows, &scales))
    }

    /// Each token's row in the position table: counted from a row's first token, wherever its padding is.
    fn positions(&mut self, config: PositionsConfig, inputs: &Inputs, padding: u32) -> Value {
        let graph = &mut self.graph;
        let first = config.first as i64;
        let (counted, offset) = if config.skip_padding {
            // Padding tokens, within a text too, have the position before the first.
            let not_padding = graph.not_padding(&inputs.ids, padding);
            let counted = graph.mul(&inputs.mask, &not_padding);
            (counted, first - 1)
        } else {
            (inputs.mask.clone(), first)
        };
        let mut places = graph.running_count(&counted);
        if !config.skip_padding {
            let one = graph.int(1);
            places = graph.sub(&places, &one);
        }
        // Padding has position 0, however long it is.
        let places = graph.mul(&places, &counted);
        if offset == 0 {
            return places;
        }
        let offset = graph.int(offset);
        graph.add(&places, &offset)
    }
}

impl Graph {
    /// 1 where a token is not this one, 0 where it is: int64, shaped as `ids`.
    pub(super) fn not_padding(&mut self, ids: &Value, padding: u32) -> Value {
        let padding = self.int(padding.into());
        let equal = self.op("Equal", &[ids, &padding]);
        let differs = self.op("Not", &[&equal]);
        self.cast(&differs, DataType::Int64)
    }

    /// The running count of a 0/1 mask along each row.
    pub(super) fn running_count(&mut self, mask: &Value) -> Value {
        let axis = self.int(1);
        self.op("CumSum", &[mask, &axis])
    }
}
