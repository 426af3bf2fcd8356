//! The convolution over neighbouring tokens that larger DeBERTa v2 models apply after the first layer.

use firebrand_arch::ConvolutionConfig;
use firebrand_pipeline::Result;

use super::{Builder, Inputs};
use crate::graph::{Attribute, Value};

impl Builder<'_> {
    /// The convolution of the first layer's input, `embedded`, added to its output, `x`, and normalised.
    pub(super) fn convolution(
        &mut self,
        config: &ConvolutionConfig,
        hidden: usize,
        inputs: &Inputs,
        embedded: &Value,
        x: &Value,
    ) -> Result<Value> {
        let path = "encoder.convolution";
        self.graph.enter("convolution");
        let weight = self.parameter(&format!("{path}.weight"), &[hidden, hidden / config.groups, config.kernel])?;
        let bias = self.parameter(&format!("{path}.bias"), &[hidden])?;
        let graph = &mut self.graph;
        // Beyond the ends of a text it must see zeros, padded or not.
        let mask = graph.unsqueeze(&inputs.mask, &[2]);
        let mask = graph.cast(&mask, graph.float());
        let embedded = graph.mul(embedded, &mask);
        let columns = graph.transpose(&embedded, &[0, 2, 1]);
        let padding = (config.kernel as i64 - 1) / 2;
        // The defaults said aloud: `rten` takes them for those of two dimensions.
        let attributes = [
            ("dilations", Attribute::Ints(&[1])),
            ("group", Attribute::Int(config.groups as i64)),
            ("pads", Attribute::Ints(&[padding, padding])),
            ("strides", Attribute::Ints(&[1])),
        ];
        let columns = graph.op_with("Conv", &[&columns, &weight, &bias], &attributes);
        let rows = graph.transpose(&columns, &[0, 2, 1]);
        let rows = self.activation(config.activation, &rows);
        let sum = self.graph.add(x, &rows);
        self.norm(&format!("{path}.norm"), hidden, config.norm, &sum)
    }
}
