//! DeBERTa v2 and v3: disentangled attention to content and relative positions, and in the larger v2 models a convolution
//! after the first layer.

use serde_json::Value;

use super::common::{ATTENTION_OUTPUT, BERT_KEYS, Defaults, EMBEDDINGS, FEED_FORWARD};
use super::common::{encoder, first_token_head, positions};
use super::{DropoutKeys, FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{
    ConvolutionConfig, DisentangledConfig, EmbeddingsNorm, EncoderConfig, HubConfig, ModelError, ProjectionConfig,
    Relative,
};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("deberta-v2", "DebertaV2ForSequenceClassification")],
    rules: Rules {
        prefix: "deberta.",
        encoder: &[
            EMBEDDINGS,
            &[
                Rule::linear("encoder.embeddings.projection", "embeddings.embed_proj"),
                Rule::linear("encoder.layers.{}.attention.query", "encoder.layer.{}.attention.self.query_proj"),
                Rule::linear("encoder.layers.{}.attention.key", "encoder.layer.{}.attention.self.key_proj"),
                Rule::linear("encoder.layers.{}.attention.value", "encoder.layer.{}.attention.self.value_proj"),
                Rule::linear(
                    "encoder.layers.{}.attention.distance_key",
                    "encoder.layer.{}.attention.self.pos_key_proj",
                ),
                Rule::linear(
                    "encoder.layers.{}.attention.distance_query",
                    "encoder.layer.{}.attention.self.pos_query_proj",
                ),
                Rule::tensor("encoder.distances.weight", "encoder.rel_embeddings.weight"),
                Rule::norm("encoder.distances.norm", "encoder.LayerNorm"),
                // Not a norm, but stored like one: a weight and a bias, not transposed.
                Rule::norm("encoder.convolution", "encoder.conv.conv"),
                Rule::norm("encoder.convolution.norm", "encoder.conv.LayerNorm"),
            ],
            ATTENTION_OUTPUT,
            FEED_FORWARD,
        ],
        head: &[Rule::linear("head.dense", "pooler.dense"), Rule::linear("head.output", "classifier")],
        other_head: &[],
        unneeded: &["embeddings.position_ids", "lm_predictions.", "mask_predictions.", "cls.predictions."],
    },
    dropout: DropoutKeys {
        hidden: &["hidden_dropout_prob"],
        attention: &["attention_probs_dropout_prob"],
        classifier: &["cls_dropout"],
    },
    translate,
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    let defaults = Defaults { activation: "gelu", norm_epsilon: 1e-7, dropout: 0.1 };
    let mut encoder = encoder(hub, &BERT_KEYS, &defaults)?;
    let norm = encoder.layer.norm;
    let dropout = encoder.embeddings.dropout;
    let positions =
        hub.flag_or("position_biased_input", true)?.then(|| positions(hub, "max_position_embeddings")).transpose()?;
    encoder.embeddings.positions = positions;
    encoder.embeddings.types = hub.count_or_none("type_vocab_size")?;
    encoder.embeddings.size = hub.count_or("embedding_size", encoder.hidden)?;
    let narrower = encoder.embeddings.size != encoder.hidden;
    encoder.embeddings.projection = narrower.then_some(ProjectionConfig { hidden: encoder.hidden, bias: false });
    encoder.embeddings.norm = Some(EmbeddingsNorm { norm, after_projection: true });
    encoder.layer.attention.relative = relative(hub, &encoder)?;
    if let Some(kernel) = hub.count_or_none("conv_kernel_size")? {
        let groups = hub.count_or("conv_groups", 1)?;
        if kernel.is_multiple_of(2) || !encoder.hidden.is_multiple_of(groups) {
            return Err(hub.problem(format!(
                "`conv_kernel_size` is {kernel} and `conv_groups` {groups}: expected an odd number, and a divisor of {}",
                encoder.hidden
            )));
        }
        let activation = hub.activation_or("conv_act", "tanh")?;
        encoder.convolution = Some(ConvolutionConfig { kernel, groups, activation, norm, dropout });
    }
    for key in ["pooler_hidden_size", "attention_head_size"] {
        let usual =
            if key == "pooler_hidden_size" { encoder.hidden } else { encoder.hidden / encoder.layer.attention.heads };
        let found = hub.count_or(key, usual)?;
        if found != usual {
            return Err(hub.problem(format!("`{key}` is {found}: only {usual} is supported here")));
        }
    }
    let head = first_token_head(
        encoder.hidden,
        labels,
        hub.activation_or("pooler_hidden_act", "gelu")?,
        hub.dropout_or("pooler_dropout", 0.0)?,
        hub.dropout_or("cls_dropout", dropout)?,
    );
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", 0)?))
}

fn relative(hub: &HubConfig, encoder: &EncoderConfig) -> Result<Relative, ModelError> {
    // A list, or in early releases a string separated by bars.
    let kinds: Vec<&str> = match hub.get("pos_att_type") {
        None => Vec::new(),
        Some(Value::String(text)) => text.split('|').map(str::trim).filter(|kind| !kind.is_empty()).collect(),
        Some(Value::Array(kinds)) => kinds.iter().map(|kind| kind.as_str().unwrap_or("")).collect(),
        Some(other) => return Err(hub.problem(format!("`pos_att_type` is {other}: expected a list such as [\"p2c\"]"))),
    };
    if let Some(other) = kinds.iter().find(|kind| !["c2p", "p2c"].contains(kind)) {
        return Err(hub.problem(format!("`pos_att_type` has \"{other}\": supported are \"c2p\" and \"p2c\"")));
    }
    if !hub.flag_or("relative_attention", false)? {
        return match kinds.is_empty() {
            true => Ok(Relative::None),
            false => Err(hub.problem("`pos_att_type` is given, but `relative_attention` is not true")),
        };
    }
    let positive = |key| hub.get(key).and_then(Value::as_i64).filter(|&count| count > 0);
    let furthest = match positive("max_relative_positions") {
        Some(_) => hub.count("max_relative_positions")?,
        None => hub.count("max_position_embeddings")?,
    };
    let buckets = positive("position_buckets").map(|_| hub.count("position_buckets")).transpose()?;
    if buckets.is_some_and(|buckets| buckets < 4 || furthest < buckets) {
        return Err(
            hub.problem(format!("`position_buckets` is {buckets:?}: expected at least 4, and at most {furthest}"))
        );
    }
    let normed = hub.text_or("norm_rel_ebd", "none")?.split('|').any(|kind| kind.trim() == "layer_norm");
    Ok(Relative::Disentangled(DisentangledConfig {
        content_to_position: kinds.contains(&"c2p"),
        position_to_content: kinds.contains(&"p2c"),
        shared_maps: hub.flag_or("share_att_key", false)?,
        buckets,
        furthest,
        norm: normed.then_some(encoder.layer.norm),
        dropout: encoder.embeddings.dropout,
    }))
}
