//! What all layers share: which tokens see which, and the distances between them.

use firebrand_arch::{AttentionConfig, Relative};
use firebrand_pipeline::Result;

use super::relative::Distances;
use super::rotary::Rotation;
use super::{Builder, Inputs};
use crate::graph::{Graph, Value};
use crate::proto::DataType;

/// What all layers share.
#[derive(Debug)]
pub(crate) struct Context {
    /// Of layers without a sliding window.
    global: View,
    /// Of layers with one, if there are any.
    local: Option<View>,
    /// What distances are compared by, if attention compares them.
    pub(super) distances: Option<Distances>,
}

/// What layers with the same window share.
#[derive(Debug)]
pub(super) struct View {
    /// Added to the scores: broadcast to `[batch, heads, length, length]`.
    pub(super) bias: Value,
    pub(super) rotation: Option<Rotation>,
}

impl Context {
    /// What the layer of this index needs.
    pub(super) fn view(&self, config: &AttentionConfig, index: usize) -> &View {
        let is_local = config.local.as_ref().is_some_and(|local| local.layers.get(index) == Some(&true));
        self.local.as_ref().filter(|_| is_local).unwrap_or(&self.global)
    }
}

impl Builder<'_> {
    /// What the layers of an encoder share, for hidden states of this width.
    pub(crate) fn context(&mut self, config: &AttentionConfig, hidden: usize, inputs: &Inputs) -> Result<Context> {
        self.graph.enter("positions");
        let (theta, local_theta) = match (&config.relative, &config.local) {
            (Relative::Rotary { theta }, local) => (Some(*theta), local.as_ref().map(|local| local.theta)),
            _ => (None, None),
        };
        let size = hidden / config.heads;
        let by_distance = match config.relative {
            Relative::Bucketed { rows } => Some(self.bucketed_bias(rows, config.heads, &inputs.ids)?),
            _ => None,
        };
        let bias = |graph: &mut Graph, reach: Option<usize>| {
            let bias = graph.mask_bias(inputs, config.causal, reach);
            match &by_distance {
                Some(by_distance) => graph.add(&bias, by_distance),
                None => bias,
            }
        };
        let graph = &mut self.graph;
        let global =
            View { bias: bias(graph, None), rotation: theta.map(|theta| graph.rotation(theta, size, &inputs.ids)) };
        let local = config.local.as_ref().filter(|local| local.layers.contains(&true)).map(|local| View {
            bias: bias(graph, Some(local.reach)),
            rotation: local_theta.map(|theta| graph.rotation(theta, size, &inputs.ids)),
        });
        let distances = self.distances(config, hidden, inputs)?;
        Ok(Context { global, local, distances })
    }
}

impl Graph {
    /// Added to the scores of hidden keys: so low that its exponential is exactly zero next to any other score, but finite, so that
    /// a query that sees no key does not become NaN. In half precision low enough to leave room for the score itself.
    fn masked(&mut self) -> Value {
        match self.float() {
            DataType::Float16 => self.scalar(-1e4),
            _ => self.scalar(-1e9),
        }
    }

    /// The bias that hides padding and, if there are any, keys after the query or outside of a window: `[batch, 1, 1, length]` or
    /// `[batch, 1, length, length]`.
    fn mask_bias(&mut self, inputs: &Inputs, causal: bool, reach: Option<usize>) -> Value {
        let masked = self.masked();
        if !causal && reach.is_none() {
            // The shape that ONNX Runtime's attention fusion looks for.
            let mask = self.unsqueeze(&inputs.mask, &[1]);
            let mask = self.unsqueeze(&mask, &[2]);
            let mask = self.cast(&mask, self.float());
            let one = self.scalar(1.0);
            let hidden = self.sub(&one, &mask);
            return self.mul(&hidden, &masked);
        }
        let distances = self.pair_distances(&inputs.ids);
        let mask = self.unsqueeze(&inputs.mask, &[1, 2]);
        let mut visible = self.cast_bool(&mask);
        if let Some(reach) = reach {
            let far = self.op("Abs", &[&distances]);
            let reach = self.int(i64::try_from(reach).unwrap_or(i64::MAX));
            let near = self.op("LessOrEqual", &[&far, &reach]);
            visible = self.op("And", &[&visible, &near]);
        }
        if causal {
            let zero = self.int(0);
            let before = self.op("GreaterOrEqual", &[&distances, &zero]);
            visible = self.op("And", &[&visible, &before]);
        }
        let zero = self.scalar(0.0);
        self.op("Where", &[&visible, &zero, &masked])
    }

    /// The row length, as a vector of one number.
    pub(super) fn length(&mut self, ids: &Value) -> Value {
        let [length] = self.shared("length", |graph| {
            let shape = graph.op("Shape", &[ids]);
            let axis = graph.ints(&[1]);
            [graph.gather(&shape, &axis, 0)]
        });
        length
    }

    /// The row length, as a scalar.
    pub(super) fn length_scalar(&mut self, ids: &Value) -> Value {
        let [length] = self.shared("length as a scalar", |graph| {
            let length = graph.length(ids);
            let axis = graph.ints(&[0]);
            [graph.op("Squeeze", &[&length, &axis])]
        });
        length
    }

    /// Positions in a row, from 0: `[length]`.
    pub(super) fn range(&mut self, ids: &Value) -> Value {
        let [range] = self.shared("range", |graph| {
            let (zero, one) = (graph.int(0), graph.int(1));
            let length = graph.length_scalar(ids);
            [graph.op("Range", &[&zero, &length, &one])]
        });
        range
    }

    /// Distances, query minus key: `[length, length]`.
    pub(super) fn pair_distances(&mut self, ids: &Value) -> Value {
        let [distances] = self.shared("distances", |graph| {
            let range = graph.range(ids);
            let queries = graph.unsqueeze(&range, &[1]);
            let keys = graph.unsqueeze(&range, &[0]);
            [graph.sub(&queries, &keys)]
        });
        distances
    }
}
