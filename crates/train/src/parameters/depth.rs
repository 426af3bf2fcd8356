//! The depth of a parameter in the network, from its path.

/// 0 for the embeddings and the tables that all layers read, `n + 1` for layer `n`, and `layers + 1` for what comes after the
/// last layer, the head included. Layers are counted as they have parameters: ALBERT's all share one.
pub(crate) fn depth(path: &str, layers: usize) -> usize {
    if let Some(rest) = path.strip_prefix("encoder.layers.") {
        let index = rest.split('.').next().and_then(|index| index.parse::<usize>().ok());
        return index.unwrap_or(0) + 1;
    }
    if path.starts_with("encoder.convolution") {
        // Applied after the first layer (DeBERTa v2).
        return 1;
    }
    if path.starts_with("head.") || path.starts_with("encoder.final_norm") { layers + 1 } else { 0 }
}

/// Layer-wise learning-rate decay: the rate of each layer is `decay` times that of the layer above it, as ELECTRA and BEiT are
/// fine-tuned ([arXiv 2006.05987](https://arxiv.org/abs/2006.05987) compares it with other remedies).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerDecay {
    /// Factor from one layer to the layer below.
    pub decay: f64,
    /// Number of layers with parameters of their own.
    pub layers: usize,
}

impl LayerDecay {
    /// The factor for the learning rate of the parameter at this path.
    pub fn factor(&self, path: &str) -> f64 {
        let above = (self.layers + 1).saturating_sub(depth(path, self.layers));
        self.decay.powi(i32::try_from(above).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_fall_from_the_head_to_the_embeddings() {
        let decay = LayerDecay { decay: 0.5, layers: 2 };
        let factors = [
            "head.output.weight",
            "encoder.final_norm.weight",
            "encoder.layers.1.mlp.up.weight",
            "encoder.layers.0.attention.query.bias",
            "encoder.convolution.weight",
            "encoder.embeddings.token",
            "encoder.distance_bias",
        ]
        .map(|path| decay.factor(path));
        assert_eq!(factors, [1.0, 1.0, 0.5, 0.25, 0.25, 0.125, 0.125]);
    }
}
