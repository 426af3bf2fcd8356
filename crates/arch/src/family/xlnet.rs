//! XLNet: the relative positions of Transformer-XL, relative segments, and a summary of the last token.

use super::common::{BERT_DEFAULTS, Keys, encoder, even};
use super::{DropoutKeys, FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{DenseConfig, HeadConfig, HubConfig, ModelError, Pooling, Relative};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("xlnet", "XLNetForSequenceClassification")],
    rules: Rules {
        prefix: "transformer.",
        encoder: &[&[
            Rule::tensor("encoder.embeddings.token", "word_embedding.weight"),
            Rule::tensor("encoder.embeddings.mask", "mask_emb"),
            Rule::by_heads("encoder.layers.{}.attention.query.weight", "layer.{}.rel_attn.q", false),
            Rule::by_heads("encoder.layers.{}.attention.key.weight", "layer.{}.rel_attn.k", false),
            Rule::by_heads("encoder.layers.{}.attention.value.weight", "layer.{}.rel_attn.v", false),
            Rule::by_heads("encoder.layers.{}.attention.output.weight", "layer.{}.rel_attn.o", true),
            Rule::by_heads("encoder.layers.{}.attention.distance.weight", "layer.{}.rel_attn.r", false),
            Rule::tensor("encoder.layers.{}.attention.content_bias", "layer.{}.rel_attn.r_w_bias"),
            Rule::tensor("encoder.layers.{}.attention.distance_bias", "layer.{}.rel_attn.r_r_bias"),
            Rule::tensor("encoder.layers.{}.attention.segment_bias", "layer.{}.rel_attn.r_s_bias"),
            Rule::tensor("encoder.layers.{}.attention.segment", "layer.{}.rel_attn.seg_embed"),
            Rule::norm("encoder.layers.{}.attention_norm", "layer.{}.rel_attn.layer_norm"),
            Rule::linear("encoder.layers.{}.mlp.up", "layer.{}.ff.layer_1"),
            Rule::linear("encoder.layers.{}.mlp.down", "layer.{}.ff.layer_2"),
            Rule::norm("encoder.layers.{}.mlp_norm", "layer.{}.ff.layer_norm"),
        ]],
        head: &[Rule::linear("head.dense", "sequence_summary.summary"), Rule::linear("head.output", "logits_proj")],
        other_head: &[],
        unneeded: &["lm_loss."],
    },
    dropout: DropoutKeys { hidden: &["dropout"], attention: &[], classifier: &["summary_last_dropout"] },
    translate,
};

const KEYS: Keys = Keys {
    hidden: "d_model",
    layers: "n_layer",
    heads: "n_head",
    intermediate: "d_inner",
    activation: "ff_activation",
    norm_epsilon: "layer_norm_eps",
    dropout: "dropout",
    attention_dropout: "dropout",
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    for (key, usual) in [("untie_r", true), ("bi_data", false), ("same_length", false), ("summary_use_proj", true)] {
        if hub.flag_or(key, usual)? != usual {
            return Err(hub.problem(format!("`{key}` is {}: only {usual} is supported", !usual)));
        }
    }
    for (key, usual) in [("attn_type", "bi"), ("summary_type", "last")] {
        let found = hub.text_or(key, usual)?;
        if found != usual {
            return Err(hub.problem(format!("`{key}` is \"{found}\": only \"{usual}\" is supported")));
        }
    }
    let mut encoder = encoder(hub, &KEYS, &BERT_DEFAULTS)?;
    let (heads, size) = (encoder.layer.attention.heads, encoder.hidden / encoder.layer.attention.heads);
    let found = hub.count_or("d_head", size)?;
    if found != size {
        return Err(hub.problem(format!("`d_head` is {found}: {heads} heads of {} have {size} each", encoder.hidden)));
    }
    even(hub, "`d_model`", encoder.hidden)?;
    let dropout = encoder.embeddings.dropout;
    let furthest = hub.get("clamp_len").and_then(serde_json::Value::as_i64).filter(|&length| length > 0);
    encoder.embeddings.norm = None;
    encoder.embeddings.mask_vector = true;
    encoder.layer.attention.bias = false;
    encoder.layer.attention.relative =
        Relative::TransformerXl { furthest: furthest.map(|length| length as usize), dropout };
    encoder.layer.mlp.dropout = dropout;
    encoder.final_dropout = dropout;
    let activation = match hub.text_or("summary_activation", "")? {
        "" => None,
        _ => Some(hub.activation_or("summary_activation", "tanh")?),
    };
    let dense =
        DenseConfig { dropout: hub.dropout_or("summary_first_dropout", 0.0)?, bias: true, activation, norm: None };
    let head = HeadConfig {
        hidden: encoder.hidden,
        labels,
        pooling: Pooling::Last,
        dense: Some(dense),
        dropout: hub.dropout_or("summary_last_dropout", 0.1)?,
        output_bias: true,
    };
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", 5)?))
}
