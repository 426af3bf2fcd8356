//! From a classifier's configuration to its graph.

use firebrand_arch::{ModelConfig, NetworkConfig, Relative};
use firebrand_pipeline::Result;

use crate::Precision;
use crate::graph::{Graph, Initializer};
use crate::parts::{Builder, Inputs};
use crate::proto::GraphProto;
use crate::source::Source;

/// The graph of a classifier, and its constants.
///
/// # Errors
/// When a parameter cannot be read, or not be written in this precision.
pub(crate) fn build(source: &Source, precision: Precision) -> Result<(GraphProto, Vec<Initializer>)> {
    let config = source.config();
    let NetworkConfig { encoder, head } = &config.network;
    let mut graph = Graph::new(precision);
    let shape = ["batch_size", "sequence_length"];
    let inputs = Inputs {
        ids: graph.input("input_ids", &shape),
        mask: graph.input("attention_mask", &shape),
        type_ids: has_segments(config).then(|| graph.input("token_type_ids", &shape)),
    };
    let mut builder = Builder { graph, source };
    let attention = &encoder.layer.attention;
    let context = builder.context(attention, encoder.hidden, &inputs)?;
    let embedded = builder.embeddings(&encoder.embeddings, &inputs, config.pad_token_id)?;
    let hidden = builder.layers(encoder, &inputs, &context, embedded)?;
    let logits = builder.head(head, &inputs, config.pad_token_id, &hidden)?;
    let mut graph = builder.graph;
    graph.output("logits", &logits, head.labels);
    Ok(graph.finish(config.model_type))
}

/// Whether texts can have more than one segment.
fn has_segments(config: &ModelConfig) -> bool {
    let encoder = &config.network.encoder;
    let relative = matches!(encoder.layer.attention.relative, Relative::TransformerXl { .. });
    relative || encoder.embeddings.types.is_some_and(|types| types > 1)
}
