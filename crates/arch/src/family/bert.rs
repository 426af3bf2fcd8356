//! BERT: learned positions from 0, token types, post-norm layers, and a pooler over the first token.

use super::common::{
    ATTENTION, ATTENTION_OUTPUT, BERT_DEFAULTS, BERT_DROPOUT_KEYS, BERT_KEYS, EMBEDDINGS, FEED_FORWARD,
};
use super::common::{encoder, first_token_head, positions};
use super::{FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{Activation, HubConfig, ModelError};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("bert", "BertForSequenceClassification")],
    rules: Rules {
        prefix: "bert.",
        encoder: &[EMBEDDINGS, ATTENTION, ATTENTION_OUTPUT, FEED_FORWARD],
        head: &[Rule::linear("head.dense", "bert.pooler.dense"), Rule::linear("head.output", "classifier")],
        other_head: &[],
        unneeded: &["embeddings.position_ids", "cls.predictions.", "cls.seq_relationship."],
    },
    dropout: BERT_DROPOUT_KEYS,
    translate,
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let mut encoder = encoder(hub, &BERT_KEYS, &BERT_DEFAULTS)?;
    encoder.embeddings.positions = Some(positions(hub, "max_position_embeddings")?);
    encoder.embeddings.types = Some(hub.count("type_vocab_size")?);
    let dropout = hub.dropout_or("classifier_dropout", encoder.embeddings.dropout)?;
    let head = first_token_head(encoder.hidden, labels, Activation::Tanh, 0.0, dropout);
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", 0)?))
}
