//! MPNet: BERT with positions that start after the padding token's id, and learned relative position biases by buckets.

use super::common::{BERT_DEFAULTS, BERT_DROPOUT_KEYS, BERT_KEYS, DENSE_AND_OUT, EMBEDDINGS, FEED_FORWARD};
use super::common::{encoder, first_token_head, positions_after_padding};
use super::{FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{Activation, HubConfig, ModelError, Relative};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("mpnet", "MPNetForSequenceClassification")],
    rules: Rules {
        prefix: "mpnet.",
        encoder: &[
            EMBEDDINGS,
            &[
                Rule::linear("encoder.layers.{}.attention.query", "encoder.layer.{}.attention.attn.q"),
                Rule::linear("encoder.layers.{}.attention.key", "encoder.layer.{}.attention.attn.k"),
                Rule::linear("encoder.layers.{}.attention.value", "encoder.layer.{}.attention.attn.v"),
                Rule::linear("encoder.layers.{}.attention.output", "encoder.layer.{}.attention.attn.o"),
                Rule::norm("encoder.layers.{}.attention_norm", "encoder.layer.{}.attention.LayerNorm"),
                Rule::tensor("encoder.distance_bias", "encoder.relative_attention_bias.weight"),
            ],
            FEED_FORWARD,
        ],
        head: DENSE_AND_OUT,
        other_head: &[],
        unneeded: &["embeddings.position_ids", "pooler.", "lm_head."],
    },
    dropout: BERT_DROPOUT_KEYS,
    translate,
};

/// Number of buckets, whatever the configuration says: transformers uses the configured number for the table's rows only.
const BUCKETS: usize = 32;

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let mut encoder = encoder(hub, &BERT_KEYS, &BERT_DEFAULTS)?;
    let padding = hub.id_or("pad_token_id", 1)?;
    encoder.embeddings.positions = Some(positions_after_padding(hub, padding)?);
    let rows = hub.count_or("relative_attention_num_buckets", BUCKETS)?;
    if rows < BUCKETS {
        return Err(hub.problem(format!(
            "`relative_attention_num_buckets` is {rows}: there are always {BUCKETS} buckets, which need a row each"
        )));
    }
    encoder.layer.attention.relative = Relative::Bucketed { rows };
    let dropout = hub.dropout_or("classifier_dropout", encoder.embeddings.dropout)?;
    let head = first_token_head(encoder.hidden, labels, Activation::Tanh, dropout, dropout);
    Ok(Translation::new(encoder, head, padding))
}
