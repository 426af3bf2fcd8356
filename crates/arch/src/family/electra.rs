//! ELECTRA: BERT with embeddings narrower than the hidden states.

use super::common::{
    ATTENTION, ATTENTION_OUTPUT, BERT_DEFAULTS, BERT_DROPOUT_KEYS, BERT_KEYS, DENSE_AND_OUT, EMBEDDINGS, FEED_FORWARD,
};
use super::common::{encoder, first_token_head, positions};
use super::{FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{Activation, HubConfig, ModelError, ProjectionConfig};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("electra", "ElectraForSequenceClassification")],
    rules: Rules {
        prefix: "electra.",
        encoder: &[
            EMBEDDINGS,
            &[Rule::linear("encoder.embeddings.projection", "embeddings_project")],
            ATTENTION,
            ATTENTION_OUTPUT,
            FEED_FORWARD,
        ],
        head: DENSE_AND_OUT,
        other_head: &[],
        unneeded: &["embeddings.position_ids", "discriminator_predictions.", "generator_"],
    },
    dropout: BERT_DROPOUT_KEYS,
    translate,
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let mut encoder = encoder(hub, &BERT_KEYS, &BERT_DEFAULTS)?;
    encoder.embeddings.positions = Some(positions(hub, "max_position_embeddings")?);
    encoder.embeddings.types = Some(hub.count("type_vocab_size")?);
    encoder.embeddings.size = hub.count_or("embedding_size", 128)?;
    let narrower = encoder.embeddings.size != encoder.hidden;
    encoder.embeddings.projection = narrower.then_some(ProjectionConfig { hidden: encoder.hidden, bias: true });
    let dropout = hub.dropout_or("classifier_dropout", encoder.embeddings.dropout)?;
    let head = first_token_head(encoder.hidden, labels, Activation::Gelu, dropout, dropout);
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", 0)?))
}
