//! The parts of a network, each a few nodes.

mod attention;
mod convolution;
mod embeddings;
mod head;
mod layer;
mod linear;
mod masks;
mod relative;
mod rotary;

use firebrand_pipeline::Result;

use crate::convert;
use crate::graph::{Graph, Value};
use crate::source::Source;

pub(crate) use masks::Context;

/// A network under construction.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    pub(crate) graph: Graph,
    pub(crate) source: &'a Source,
}

/// What a graph is asked.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    /// Token ids: `[batch, length]`.
    pub(crate) ids: Value,
    /// 1 at tokens, 0 at padding: `[batch, length]`.
    pub(crate) mask: Value,
    /// Segments: `[batch, length]`; `None` if the family has none.
    pub(crate) type_ids: Option<Value>,
}

impl Builder<'_> {
    /// A parameter as a constant of the graph's type; made once if several layers share it.
    fn parameter(&mut self, path: &str, shape: &[usize]) -> Result<Value> {
        self.shared_constant(path, shape, |source| source.floats(path, shape))
    }

    /// A constant of the graph's type, made once for each name.
    fn shared_constant(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl FnOnce(&Source) -> Result<Vec<f32>>,
    ) -> Result<Value> {
        if let Some([known]) = self.graph.known(name) {
            return Ok(known);
        }
        let value = convert::floats(&mut self.graph, name, shape, values(self.source)?)?;
        self.graph.remember(name, [value.clone()]);
        Ok(value)
    }
}
