//! Attention with several heads.

use burn::module::Module;
use burn::tensor::{Tensor, activation::softmax};

use crate::{Dropout, DropoutRng, Linear, ModelError, ParameterSource};

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
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    dropout: Dropout,
}

impl Attention {
    /// Takes `PATH.query`, `.key`, `.value` and `.output` from the source. `heads` divides `hidden`.
    ///
    /// # Errors
    /// When the source lacks a tensor or its shape differs.
    pub fn new(
        source: &mut dyn ParameterSource,
        path: &str,
        hidden: usize,
        heads: usize,
        dropout: f64,
    ) -> Result<Self, ModelError> {
        let mut linear = |name: &str| Linear::new(source, &format!("{path}.{name}"), hidden, hidden);
        Ok(Self {
            query: linear("query")?,
            key: linear("key")?,
            value: linear("value")?,
            output: linear("output")?,
            heads,
            dropout: Dropout { probability: dropout },
        })
    }

    /// # Shapes
    /// - `x` and output: `[rows, length, hidden]`
    /// - `bias`: broadcast to `[rows, heads, length, length]`, added to the scores
    pub fn forward(&self, x: Tensor<3>, bias: Option<&Tensor<4>>, rng: &mut Option<&mut DropoutRng>) -> Tensor<3> {
        let [rows, length, hidden] = x.dims();
        let size = hidden / self.heads;
        let split = |x: Tensor<3>| x.reshape([rows, length, self.heads, size]).swap_dims(1, 2);
        let query = split(self.query.forward(x.clone()));
        let key = split(self.key.forward(x.clone()));
        let value = split(self.value.forward(x));

        let scale = 1.0 / (size as f64).sqrt();
        let mut scores = query.mul_scalar(scale).matmul(key.transpose());
        if let Some(bias) = bias {
            scores = scores + bias.clone();
        }
        let weights = self.dropout.forward(softmax(scores, 3), rng);
        let answer = weights.matmul(value).swap_dims(1, 2).reshape([rows, length, hidden]);
        self.output.forward(answer)
    }
}
