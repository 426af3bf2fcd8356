//! Attention with several heads, and the ways in which positions enter it.

mod context;
mod disentangled;
mod distances;
mod rotary;
mod transformer_xl;

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_kernels::fused::{self, AttentionOptions};
use serde::{Deserialize, Serialize};

pub(crate) use context::{Context, LayerContext};
pub use disentangled::{Disentangled, DisentangledConfig};
pub(crate) use distances::Distances;
pub use transformer_xl::TransformerXl;

use crate::{Dropout, DropoutRng, Linear, ModelError, ParameterSource};

/// The shape of an [`Attention`], and what it may look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionConfig {
    /// Number of heads; divides the width of the hidden states.
    pub heads: usize,
    /// Whether the four maps have biases.
    pub bias: bool,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
    /// How the distance between two tokens enters the scores.
    pub relative: Relative,
    /// Layers that see only near tokens.
    pub local: Option<LocalAttention>,
    /// Probability of dropout of attention weights.
    pub dropout: f64,
}

/// How the distance between two tokens enters the scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Relative {
    /// Not at all.
    None,
    /// Queries and keys are rotated by their positions ([arXiv 2104.09864](https://arxiv.org/abs/2104.09864)).
    Rotary {
        /// Base of the wavelengths.
        theta: f64,
    },
    /// A learned number for each head and range of distances ([arXiv 1910.10683](https://arxiv.org/abs/1910.10683)).
    Bucketed {
        /// Rows of the table; the distances fall into the first 32.
        rows: usize,
    },
    /// A learned vector for each range of distances, compared with queries and keys
    /// ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654)).
    Disentangled(DisentangledConfig),
    /// A fixed wave for each distance, mapped and compared with queries ([arXiv 1901.02860](https://arxiv.org/abs/1901.02860)).
    TransformerXl {
        /// Distances beyond this are taken for this one.
        furthest: Option<usize>,
        /// Probability of dropout of the waves.
        dropout: f64,
    },
}

/// Layers that see only near tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalAttention {
    /// For each layer from the lowest, whether it is one of them.
    pub layers: Vec<bool>,
    /// The furthest distance that they see.
    pub reach: usize,
    /// Base of the wavelengths of their rotary positions.
    pub theta: f64,
}

/// Scaled dot-product attention with several heads ([arXiv 1706.03762](https://arxiv.org/abs/1706.03762)).
#[derive(Module, Debug)]
pub struct Attention {
    /// `[hidden, hidden]`.
    pub query: Linear,
    /// `[hidden, hidden]`.
    pub key: Linear,
    /// `[hidden, hidden]`.
    pub value: Linear,
    /// `[hidden, hidden]`, over the heads' concatenated answers.
    pub output: Linear,
    /// DeBERTa's comparison with distances.
    pub disentangled: Option<Disentangled>,
    /// XLNet's comparison with distances and segments.
    pub transformer_xl: Option<TransformerXl>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    scale: f64,
    #[module(skip)]
    dropout: Dropout,
}

impl Attention {
    /// Takes `PATH.query`, `.key`, `.value`, `.output` and what the way of positions needs from the source.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &AttentionConfig,
    ) -> Result<Self, ModelError> {
        let heads = config.heads;
        let mut linear = |name: &str| Linear::new(source, &format!("{path}.{name}"), hidden, hidden, config.bias);
        let [query, key, value, output] = [linear("query")?, linear("key")?, linear("value")?, linear("output")?];
        let mut disentangled = None;
        let mut transformer_xl = None;
        let mut terms = 1;
        match &config.relative {
            Relative::Disentangled(relative) => {
                disentangled =
                    Some(Disentangled::new(source, &format!("{path}.disentangled"), hidden, heads, relative)?);
                terms += usize::from(relative.content_to_position) + usize::from(relative.position_to_content);
            }
            Relative::TransformerXl { .. } => {
                transformer_xl = Some(TransformerXl::new(source, &format!("{path}.transformer_xl"), hidden, heads)?);
            }
            Relative::None | Relative::Rotary { .. } | Relative::Bucketed { .. } => (),
        }
        Ok(Self {
            query,
            key,
            value,
            output,
            disentangled,
            transformer_xl,
            heads,
            scale: 1.0 / ((hidden / heads * terms) as f64).sqrt(),
            dropout: Dropout { probability: config.dropout },
        })
    }

    /// The answers that the context wants, of all tokens or of one of each row.
    ///
    /// # Shapes
    /// - `x`: `[rows, length, hidden]`, or, packed, `[1, tokens, hidden]`
    /// - output: the same, or `[rows, 1, hidden]`, or, packed, `[1, rows, hidden]`
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        context: &LayerContext<'_>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        let Some(distances) = context.distances else {
            let options = AttentionOptions {
                heads: self.heads,
                scale: self.scale,
                bias: context.chosen_bias(),
                dropout: self.dropout.mask(rng),
                texts: context.batch.packed().cloned(),
            };
            let answers = if context.rotation.is_none() && context.wants_all() {
                fused::self_attention(x, [&self.query, &self.key, &self.value].map(Linear::as_map), options)
            } else {
                let (key, value) = (self.key.forward(x.clone()), self.value.forward(x.clone()));
                let (query, key) = match context.rotation {
                    Some(rotation) => {
                        let query = rotation.rotate(self.query.forward(x), self.heads);
                        (context.chosen(query), rotation.rotate(key, self.heads))
                    }
                    None => (self.query.forward(context.chosen(x)), key),
                };
                fused::attention(query, key, value, options)
            };
            return self.output.forward(answers);
        };
        // These compare all pairs of a rectangle.
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|map| context.batch.pad(map.forward(x.clone())));
        let [rows, length, hidden] = query.dims();
        let [query, key, value] = [query, key, value].map(|x| split_heads(x, self.heads));
        let scores = match (&self.transformer_xl, &self.disentangled) {
            (Some(part), _) => part.scores(query, key, distances, context.other_segment),
            (None, Some(part)) => {
                let relative = part.scores(query.clone(), key.clone(), [&self.query, &self.key], distances, rng);
                let content = query.matmul(key.transpose());
                match relative {
                    Some(relative) => content + relative,
                    None => content,
                }
            }
            (None, None) => query.matmul(key.transpose()),
        };
        let weights = fused::softmax_dropout(scores, context.bias.cloned(), self.scale, self.dropout.mask(rng));
        let answer = fused::matmul(weights, value).swap_dims(1, 2).reshape([rows, length, hidden]);
        self.output.forward(context.chosen(context.batch.unpad(answer)))
    }
}

/// `[rows, length, hidden]` → `[rows, heads, length, hidden / heads]`.
fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [rows, length, hidden] = x.dims();
    x.reshape([rows, length, heads, hidden / heads]).swap_dims(1, 2)
}
