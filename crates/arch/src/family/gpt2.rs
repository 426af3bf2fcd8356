//! GPT-2: causal attention, pre-norm layers, classification of the last token.

use super::common::{Defaults, Keys, encoder, positions};
use super::{DropoutKeys, FamilyFile, Translation};
use crate::checkpoint::{Rule, Rules};
use crate::{HeadConfig, HubConfig, ModelError, NormPlacement, Pooling};

pub(super) const FAMILY: FamilyFile = FamilyFile {
    names: &[("gpt2", "GPT2ForSequenceClassification")],
    rules: Rules {
        prefix: "transformer.",
        encoder: &[&[
            Rule::tensor("encoder.embeddings.token", "wte.weight"),
            Rule::tensor("encoder.embeddings.position", "wpe.weight"),
            Rule::norm("encoder.layers.{}.attention_norm", "h.{}.ln_1"),
            Rule::untransposed("encoder.layers.{}.attention.query", "h.{}.attn.c_attn").part(0, 3),
            Rule::untransposed("encoder.layers.{}.attention.key", "h.{}.attn.c_attn").part(1, 3),
            Rule::untransposed("encoder.layers.{}.attention.value", "h.{}.attn.c_attn").part(2, 3),
            Rule::untransposed("encoder.layers.{}.attention.output", "h.{}.attn.c_proj"),
            Rule::norm("encoder.layers.{}.mlp_norm", "h.{}.ln_2"),
            Rule::untransposed("encoder.layers.{}.mlp.up", "h.{}.mlp.c_fc"),
            Rule::untransposed("encoder.layers.{}.mlp.down", "h.{}.mlp.c_proj"),
            Rule::norm("encoder.final_norm", "ln_f"),
        ]],
        head: &[Rule::linear("head.output", "score")],
        other_head: &[],
        unneeded: &["h.{}.attn.bias", "h.{}.attn.masked_bias", "lm_head."],
    },
    dropout: DropoutKeys { hidden: &["resid_pdrop", "embd_pdrop"], attention: &["attn_pdrop"], classifier: &[] },
    translate,
};

const KEYS: Keys = Keys {
    hidden: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    intermediate: "n_inner",
    activation: "activation_function",
    norm_epsilon: "layer_norm_epsilon",
    dropout: "resid_pdrop",
    attention_dropout: "attn_pdrop",
};

fn translate(hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
    for (key, usual) in
        [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false)]
    {
        if hub.flag_or(key, usual)? != usual {
            return Err(hub.problem(format!("`{key}` is {}: only {usual} is supported", !usual)));
        }
    }
    let defaults = Defaults { activation: "gelu_new", norm_epsilon: 1e-5, dropout: 0.1 };
    let mut encoder = encoder(hub, &KEYS, &defaults)?;
    encoder.embeddings.positions = Some(positions(hub, "n_positions")?);
    encoder.embeddings.norm = None;
    encoder.embeddings.dropout = hub.dropout_or("embd_pdrop", 0.1)?;
    encoder.layer.attention.causal = true;
    encoder.layer.placement = NormPlacement::Before { in_first_attention: true };
    encoder.final_norm = Some(encoder.layer.norm);
    let head = HeadConfig {
        hidden: encoder.hidden,
        labels,
        pooling: Pooling::Last,
        dense: None,
        dropout: 0.0,
        output_bias: false,
    };
    // It was pretrained without padding: the end-of-text token is used instead.
    let end = hub.id_or("eos_token_id", 50_256)?;
    Ok(Translation::new(encoder, head, hub.id_or("pad_token_id", end)?))
}
