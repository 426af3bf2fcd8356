//! Multi-head attention ([arXiv 1706.03762](https://arxiv.org/abs/1706.03762)), one file for each way in which positions enter it.

mod context;
mod disentangled;
mod distances;
mod rotary;
mod self_attention;
mod transformer_xl;

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_arch::{AttentionConfig, ModelError, Relative};
use firebrand_fused as fused;

pub(crate) use context::{Context, LayerContext};
pub use disentangled::DisentangledAttention;
pub(crate) use distances::Distances;
pub use self_attention::SelfAttention;
pub use transformer_xl::TransformerXlAttention;

use crate::{Dropout, DropoutRng, Linear, ParameterSource};

/// Multi-head attention of one kind or another.
#[derive(Module, Debug)]
pub enum Attention {
    /// Scaled dot-product attention; positions, if they enter here, rotate queries and keys or add a bias.
    SelfAttention(SelfAttention),
    /// DeBERTa's.
    Disentangled(DisentangledAttention),
    /// Transformer-XL's, which XLNet uses.
    TransformerXl(TransformerXlAttention),
}

impl Attention {
    /// Takes `PATH.query`, `.key`, `.value`, `.output` and the kind's own parameters from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &AttentionConfig,
    ) -> Result<Self, ModelError> {
        Ok(match &config.relative {
            Relative::None | Relative::Rotary { .. } | Relative::Bucketed { .. } => {
                Self::SelfAttention(SelfAttention::new(source, path, hidden, config)?)
            }
            Relative::Disentangled(relative) => {
                Self::Disentangled(DisentangledAttention::new(source, path, hidden, config, relative)?)
            }
            Relative::TransformerXl { .. } => {
                Self::TransformerXl(TransformerXlAttention::new(source, path, hidden, config)?)
            }
        })
    }

    /// The attention output of all tokens, or of those that the context selects.
    ///
    /// # Shapes
    /// - `x`: `[rows, length, hidden]`, or, packed, `[1, tokens, hidden]`
    /// - output: the same; for one token of each row, `[rows, 1, hidden]`, or, packed, `[1, rows, hidden]`
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        context: &LayerContext<'_>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        match self {
            Self::SelfAttention(attention) => attention.forward(x, context, rng),
            Self::Disentangled(attention) => attention.forward(x, context, rng),
            Self::TransformerXl(attention) => attention.forward(x, context, rng),
        }
    }
}

/// The linear layers that every kind has: query, key, value and output.
fn projections(
    source: &mut dyn ParameterSource,
    path: &str,
    hidden: usize,
    config: &AttentionConfig,
) -> Result<[Linear; 4], ModelError> {
    let mut linear = |name: &str| Linear::new(source, &format!("{path}.{name}"), hidden, hidden, config.bias);
    Ok([linear("query")?, linear("key")?, linear("value")?, linear("output")?])
}

/// Queries, keys and values by head, padded: what the kinds need that score every pair of a row's tokens.
///
/// # Shapes
/// - `x`: `[rows, length, hidden]`, or, packed, `[1, tokens, hidden]`
/// - output: each `[rows, heads, length, hidden / heads]`
fn padded_heads(x: &Tensor<3>, layers: [&Linear; 3], heads: usize, context: &LayerContext<'_>) -> [Tensor<4>; 3] {
    layers.map(|layer| split_heads(context.batch.pad(layer.forward(x.clone())), heads))
}

/// The attention output, before its linear layer, from the scores of all pairs.
///
/// # Shapes
/// - `scores`: `[rows, heads, length, length]`
/// - `value`: `[rows, heads, length, hidden / heads]`
/// - output: as of [`Attention::forward`]
fn weighted_values(
    scores: Tensor<4>,
    value: Tensor<4>,
    scale: f64,
    dropout: Dropout,
    context: &LayerContext<'_>,
    rng: &mut Option<&mut DropoutRng>,
) -> Tensor<3> {
    let [rows, heads, length, size] = value.dims();
    let weights = fused::softmax_dropout(scores, context.pair_bias(), scale, dropout.mask(rng));
    let output = fused::matmul(weights, value).swap_dims(1, 2).reshape([rows, length, heads * size]);
    context.selected(context.batch.unpad(output))
}

/// `[rows, length, hidden]` → `[rows, heads, length, hidden / heads]`.
fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [rows, length, hidden] = x.dims();
    x.reshape([rows, length, heads, hidden / heads]).swap_dims(1, 2)
}
