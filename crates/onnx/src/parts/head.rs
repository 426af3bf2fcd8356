//! The classification head.

use firebrand_arch::{HeadConfig, Pooling};
use firebrand_pipeline::Result;

use super::linear::Linear;
use super::{Builder, Inputs};
use crate::Precision;
use crate::graph::{Attribute, Graph, Value};
use crate::proto::DataType;

impl Builder<'_> {
    /// From the last hidden states to the logits, `[batch, labels]`, in float32.
    pub(crate) fn head(&mut self, config: &HeadConfig, inputs: &Inputs, padding: u32, x: &Value) -> Result<Value> {
        self.graph.enter("head");
        let x = self.graph.widen(x);
        let mut pooled = self.graph.pool(config.pooling, inputs, padding, &x);
        let HeadConfig { hidden, labels, dense, output_bias, .. } = *config;
        if let Some(dense) = dense {
            let layer = Linear { path: "head.dense", inputs: hidden, outputs: hidden, bias: dense.bias };
            pooled = match self.graph.precision() {
                Precision::Int8 => self.linear(layer, &pooled)?,
                Precision::Fp32 | Precision::Fp16 => self.linear_f32(layer, &pooled)?,
            };
            if let Some(activation) = dense.activation {
                pooled = self.activation_f32(activation, &pooled);
            }
            if let Some(norm) = dense.norm {
                pooled = self.norm_f32("head.norm", hidden, norm, &pooled)?;
            }
        }
        let output = Linear { path: "head.output", inputs: hidden, outputs: labels, bias: output_bias };
        self.linear_f32(output, &pooled)
    }
}

impl Graph {
    /// Each row's hidden states, `[batch, length, hidden]`, pooled into one: `[batch, hidden]`. The first token and the last are
    /// found by the mask, so that it does not matter on which side the padding is.
    fn pool(&mut self, pooling: Pooling, inputs: &Inputs, padding: u32, x: &Value) -> Value {
        let mask = &inputs.mask;
        let shares = match pooling {
            Pooling::First => {
                let one = self.int(1);
                let count = self.running_count(mask);
                let is_first = self.op("Equal", &[&count, &one]);
                // In the padding after a text of one token, the count is 1 too.
                let mask = self.cast_bool(mask);
                let is_first = self.op("And", &[&is_first, &mask]);
                self.cast(&is_first, DataType::Float32)
            }
            Pooling::Last => self.last(inputs, padding),
            Pooling::Mean => {
                let mask = self.cast(mask, DataType::Float32);
                let axes = self.ints(&[1]);
                let count = self.op("ReduceSum", &[&mask, &axes]);
                // A row of padding alone must not become NaN.
                let one = self.scalar_f32(1.0);
                let count = self.op("Max", &[&count, &one]);
                self.op("Div", &[&mask, &count])
            }
        };
        let shares = self.unsqueeze(&shares, &[1]);
        let pooled = self.matmul(&shares, x);
        let axis = self.ints(&[1]);
        self.op("Squeeze", &[&pooled, &axis])
    }

    /// 1 at the last token that is not the padding token, which a text may contain: GPT-2 has none of its own. At the first token if
    /// all are.
    fn last(&mut self, inputs: &Inputs, padding: u32) -> Value {
        let count = self.running_count(&inputs.mask);
        let not_padding = self.not_padding(&inputs.ids, padding);
        let counted = self.mul(&inputs.mask, &not_padding);
        // Tokens that count have ranks from 2, in their order; the first token has at least rank 1.
        let one = self.int(1);
        let rank = self.add(&count, &one);
        let rank = self.mul(&rank, &counted);
        let is_first = self.op("Equal", &[&count, &one]);
        let is_first = self.cast(&is_first, DataType::Int64);
        let is_first = self.mul(&is_first, &inputs.mask);
        let rank = self.op("Max", &[&rank, &is_first]);
        let axes = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
        let highest = self.op_with("ReduceMax", &[&rank], &axes);
        let is_last = self.op("Equal", &[&rank, &highest]);
        self.cast(&is_last, DataType::Float32)
    }
}
