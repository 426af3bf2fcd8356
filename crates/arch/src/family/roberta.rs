//! RoBERTa: BERT with positions that start after the padding token's id. DistilRoBERTa, XLM-RoBERTa and
//! CamemBERT differ only in size and vocabulary.

use super::common::{
    ATTENTION, ATTENTION_OUTPUT, BERT_DEFAULTS, BERT_DROPOUT_KEYS, BERT_KEYS, DENSE_AND_OUT, EMBEDDINGS, FEED_FORWARD,
};
use super::common::{encoder, first_token_head, positions_after_padding};
use super::{FamilyFile, Translation};
use crate::checkpoint::Rules;
use crate::{Activation, HubConfig, ModelError};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[
        ("roberta", "RobertaForSequenceClassification"),
        ("xlm-roberta", "XLMRobertaForSequenceClassification"),
        ("camembert", "CamembertForSequenceClassification"),
    ],
    rules: Rules {
        prefix: "roberta.",
        encoder: &[EMBEDDINGS, ATTENTION, ATTENTION_OUTPUT, FEED_FORWARD],
        head: DENSE_AND_OUT,
        other_head: &[],
        unneeded: &["embeddings.position_ids", "pooler.", "lm_head."],
    },
    dropout: BERT_DROPOUT_KEYS,
    translate,
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let mut encoder = encoder(hub, &BERT_KEYS, &BERT_DEFAULTS)?;
    let padding = hub.id_or("pad_token_id", 1)?;
    encoder.embeddings.positions = Some(positions_after_padding(hub, padding)?);
    encoder.embeddings.types = Some(hub.count("type_vocab_size")?);
    let dropout = hub.dropout_or("classifier_dropout", encoder.embeddings.dropout)?;
    let head = first_token_head(encoder.hidden, labels, Activation::Tanh, dropout, dropout);
    Ok(Translation::new(encoder, head, padding))
}
