//! DistilBERT: half of BERT's layers, no token types, other names.

use super::common::{BERT_DEFAULTS, EMBEDDINGS, Keys, encoder, first_token_head, positions};
use super::{DropoutKeys, FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{Activation, HubConfig, ModelError};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("distilbert", "DistilBertForSequenceClassification")],
    rules: Rules {
        prefix: "distilbert.",
        encoder: &[
            EMBEDDINGS,
            &[
                Rule::linear("encoder.layers.{}.attention.query", "transformer.layer.{}.attention.q_lin"),
                Rule::linear("encoder.layers.{}.attention.key", "transformer.layer.{}.attention.k_lin"),
                Rule::linear("encoder.layers.{}.attention.value", "transformer.layer.{}.attention.v_lin"),
                Rule::linear("encoder.layers.{}.attention.output", "transformer.layer.{}.attention.out_lin"),
                Rule::norm("encoder.layers.{}.attention_norm", "transformer.layer.{}.sa_layer_norm"),
                Rule::linear("encoder.layers.{}.mlp.up", "transformer.layer.{}.ffn.lin1"),
                Rule::linear("encoder.layers.{}.mlp.down", "transformer.layer.{}.ffn.lin2"),
                Rule::norm("encoder.layers.{}.mlp_norm", "transformer.layer.{}.output_layer_norm"),
            ],
        ],
        head: &[Rule::linear("head.dense", "pre_classifier"), Rule::linear("head.output", "classifier")],
        other_head: &[],
        unneeded: &[
            "embeddings.position_ids",
            "vocab_transform.",
            "vocab_layer_norm.",
            "vocab_projector.",
            "qa_outputs.",
        ],
    },
    dropout: DropoutKeys {
        hidden: &["dropout"],
        attention: &["attention_dropout"],
        classifier: &["seq_classif_dropout"],
    },
    translate,
};

const KEYS: Keys = Keys {
    hidden: "dim",
    layers: "n_layers",
    heads: "n_heads",
    intermediate: "hidden_dim",
    activation: "activation",
    // DistilBERT has no such key: it is always 1e-12.
    norm_epsilon: "layer_norm_eps",
    dropout: "dropout",
    attention_dropout: "attention_dropout",
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let mut encoder = encoder(hub, &KEYS, &BERT_DEFAULTS)?;
    encoder.embeddings.positions = Some(positions(hub, "max_position_embeddings")?);
    let dropout = hub.dropout_or("seq_classif_dropout", 0.2)?;
    let head = first_token_head(encoder.hidden, labels, Activation::Relu, 0.0, dropout);
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", 0)?))
}
