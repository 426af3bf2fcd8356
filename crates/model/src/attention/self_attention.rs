//! Scaled dot-product attention.

use burn::module::Module;
use burn::tensor::Tensor;
use firebrand_arch::{AttentionConfig, ModelError};
use firebrand_fused::{self as fused, AttentionOptions};

use super::{LayerContext, projections};
use crate::{Dropout, DropoutRng, Linear, ParameterSource};

/// Scaled dot-product attention: with absolute positions, or with rotary ones or a bias by distance, which the context holds.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// `[hidden, hidden]`.
    pub query: Linear,
    /// `[hidden, hidden]`.
    pub key: Linear,
    /// `[hidden, hidden]`.
    pub value: Linear,
    /// `[hidden, hidden]`, applied to the concatenated heads.
    pub output: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    scale: f64,
    #[module(skip)]
    dropout: Dropout,
}

impl SelfAttention {
    pub(super) fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        config: &AttentionConfig,
    ) -> Result<Self, ModelError> {
        let [query, key, value, output] = projections(source, path, hidden, config)?;
        let scale = 1.0 / ((hidden / config.heads) as f64).sqrt();
        let dropout = Dropout { probability: config.dropout };
        Ok(Self { query, key, value, output, heads: config.heads, scale, dropout })
    }

    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        context: &LayerContext<'_>,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Tensor<3> {
        let (window, bias) = context.visible();
        let options = AttentionOptions {
            heads: self.heads,
            scale: self.scale,
            window,
            bias,
            dropout: self.dropout.mask(rng),
            texts: context.batch.packed().cloned(),
        };
        let output = if context.rotation.is_none() && context.selects_all() {
            let projections = [&self.query, &self.key, &self.value].map(Linear::as_projection);
            fused::self_attention(x, projections, options)
        } else {
            let (key, value) = (self.key.forward(x.clone()), self.value.forward(x.clone()));
            let (query, key) = match context.rotation {
                Some(rotation) => {
                    let query = rotation.rotate(self.query.forward(x), self.heads);
                    (context.selected(query), rotation.rotate(key, self.heads))
                }
                None => (self.query.forward(context.selected(x)), key),
            };
            fused::attention(query, key, value, options)
        };
        self.output.forward(output)
    }
}
