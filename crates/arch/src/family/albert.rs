//! ALBERT: factorised embeddings, and layers that share their parameters.

use super::common::{BERT_KEYS, Defaults, EMBEDDINGS, encoder, first_token_head, positions};
use super::{DropoutKeys, FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{Activation, HubConfig, ModelError, ProjectionConfig};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("albert", "AlbertForSequenceClassification")],
    rules: Rules {
        prefix: "albert.",
        encoder: &[EMBEDDINGS, GROUPS],
        head: &[Rule::linear("head.dense", "albert.pooler"), Rule::linear("head.output", "classifier")],
        other_head: &[],
        unneeded: &["embeddings.position_ids", "predictions.", "sop_classifier."],
    },
    dropout: DropoutKeys {
        hidden: &["hidden_dropout_prob"],
        attention: &["attention_probs_dropout_prob"],
        classifier: &["classifier_dropout_prob"],
    },
    translate,
};

const GROUPS: &[Rule] = &[
    Rule::linear("encoder.embeddings.projection", "encoder.embedding_hidden_mapping_in"),
    Rule::linear("encoder.layers.{}.attention.query", "encoder.albert_layer_groups.{}.albert_layers.0.attention.query"),
    Rule::linear("encoder.layers.{}.attention.key", "encoder.albert_layer_groups.{}.albert_layers.0.attention.key"),
    Rule::linear("encoder.layers.{}.attention.value", "encoder.albert_layer_groups.{}.albert_layers.0.attention.value"),
    Rule::linear(
        "encoder.layers.{}.attention.output",
        "encoder.albert_layer_groups.{}.albert_layers.0.attention.dense",
    ),
    Rule::norm(
        "encoder.layers.{}.attention_norm",
        "encoder.albert_layer_groups.{}.albert_layers.0.attention.LayerNorm",
    ),
    Rule::linear("encoder.layers.{}.mlp.up", "encoder.albert_layer_groups.{}.albert_layers.0.ffn"),
    Rule::linear("encoder.layers.{}.mlp.down", "encoder.albert_layer_groups.{}.albert_layers.0.ffn_output"),
    Rule::norm("encoder.layers.{}.mlp_norm", "encoder.albert_layer_groups.{}.albert_layers.0.full_layer_layer_norm"),
];

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let defaults = Defaults { activation: "gelu_new", norm_epsilon: 1e-12, dropout: 0.0 };
    let mut encoder = encoder(hub, &BERT_KEYS, &defaults)?;
    encoder.embeddings.positions = Some(positions(hub, "max_position_embeddings")?);
    encoder.embeddings.types = Some(hub.count("type_vocab_size")?);
    encoder.embeddings.size = hub.count_or("embedding_size", 128)?;
    // Present even if both sizes are equal.
    encoder.embeddings.projection = Some(ProjectionConfig { hidden: encoder.hidden, bias: true });
    let inner = hub.count_or("inner_group_num", 1)?;
    encoder.distinct_layers = hub.count_or("num_hidden_groups", 1)?;
    if inner != 1 || encoder.distinct_layers > encoder.layers {
        return Err(hub.problem(format!(
            "`inner_group_num` is {inner} and `num_hidden_groups` {}: expected 1, and at most the {} layers",
            encoder.distinct_layers, encoder.layers
        )));
    }
    // transformers has this dropout, but never applies it.
    encoder.layer.mlp_output_dropout = 0.0;
    let dropout = hub.dropout_or("classifier_dropout_prob", 0.1)?;
    let head = first_token_head(encoder.hidden, labels, Activation::Tanh, 0.0, dropout);
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", 0)?))
}
