//! From a checkpoint to packed weights.

use firebrand_arch::{
    AttentionConfig, DenseConfig, EmbeddingsConfig, EncoderConfig, LayerConfig, ModelConfig, NormConfig, NormPlacement,
    Relative as RelativeConfig,
};
use firebrand_kernels::inference::{Isa, Norm, PackedFloat, PackedLinear, norm, padded};
use rayon::prelude::*;

use super::convolution::Convolution;
use super::distances::{Disentangled, TransformerXl};
use super::embeddings::Embeddings;
use super::head::{Dense, Head};
use super::layer::{Function, Layer};
use super::linear::{Linear, pack};
use super::positions::{Positions, Relative};
use super::{Network, Shape};
use crate::weights::Weights;
use crate::{Error, Precision, Result};

/// Reads and packs all parameters.
///
/// # Errors
/// When one cannot be read.
pub(super) fn network(config: &ModelConfig, weights: &Weights, isa: Isa) -> Result<Network> {
    let EncoderConfig { hidden, layers, distinct_layers, ref layer, .. } = config.network.encoder;
    let AttentionConfig { heads, .. } = layer.attention;
    let size = hidden / heads;
    check_widths(config, weights.precision())?;
    let shape = Shape { hidden: padded(hidden), heads, size, padded_size: padded(size), placement: layer.placement };
    let loader = Loader { config, weights, isa, shape: &shape, table: distance_table(config, weights, isa)? };
    let distinct: Result<Vec<Layer>> = (0..distinct_layers).into_par_iter().map(|index| loader.layer(index)).collect();
    let bias = match layer.attention.relative {
        RelativeConfig::Bucketed { rows } => Some(weights.floats("encoder.distance_bias", &[rows, heads])?),
        _ => None,
    };
    Ok(Network {
        isa,
        embeddings: loader.embeddings()?,
        distinct: distinct?,
        layers,
        convolution: loader.convolution()?,
        final_norm: config
            .network
            .encoder
            .final_norm
            .map(|own| loader.norm("encoder.final_norm", hidden, own))
            .transpose()?,
        head: loader.head()?,
        positions: Positions::new(&layer.attention, bias.as_deref()),
        pad_token_id: config.pad_token_id,
        vocabulary: config.network.encoder.embeddings.vocabulary,
        max_length: config.max_length,
        shape: shape.clone(),
    })
}

/// Rejects layers so wide that sums of int8 products might not fit into 32 bits. No known model is a tenth as wide.
fn check_widths(config: &ModelConfig, precision: Precision) -> Result<()> {
    const WIDEST: usize = i32::MAX as usize / (255 * 127);
    let widths = [config.network.encoder.hidden, config.network.encoder.layer.mlp.intermediate];
    match widths.into_iter().find(|&width| precision == Precision::Int8 && width > WIDEST) {
        None => Ok(()),
        Some(width) => Err(Error::data(format!("the model is {width} wide: int8 takes at most {WIDEST}"))
            .hint("choose the precision fp32")),
    }
}

/// DeBERTa's table of distances, normalised: `[ranges, hidden]`.
fn distance_table(config: &ModelConfig, weights: &Weights, isa: Isa) -> Result<Option<Vec<f32>>> {
    let RelativeConfig::Disentangled(relative) = &config.network.encoder.layer.attention.relative else {
        return Ok(None);
    };
    let hidden = config.network.encoder.hidden;
    let mut table = weights.floats("encoder.distances.weight", &[2 * relative.span(), hidden])?;
    if let Some(own) = relative.norm {
        let own = read_norm(weights, "encoder.distances.norm", hidden, own)?;
        let mut rows = spread(&table, hidden, padded(hidden));
        norm(isa, &own, &mut rows);
        table = rows.chunks_exact(padded(hidden)).flat_map(|row| &row[..hidden]).copied().collect();
    }
    Ok(Some(table))
}

fn read_norm(weights: &Weights, path: &str, size: usize, config: NormConfig) -> Result<Norm> {
    let weight = weights.floats(&format!("{path}.weight"), &[size])?;
    let bias = config.bias.then(|| weights.floats(&format!("{path}.bias"), &[size])).transpose()?;
    Ok(Norm::new(&weight, bias.as_deref(), config.epsilon))
}

/// Rows of `from` elements, padded with zeros to `to`.
fn spread(values: &[f32], from: usize, to: usize) -> Vec<f32> {
    let mut rows = vec![0.0; values.len() / from * to];
    for (row, values) in rows.chunks_exact_mut(to).zip(values.chunks_exact(from)) {
        row[..from].copy_from_slice(values);
    }
    rows
}

struct Loader<'a> {
    config: &'a ModelConfig,
    weights: &'a Weights,
    isa: Isa,
    shape: &'a Shape,
    /// DeBERTa's table of distances.
    table: Option<Vec<f32>>,
}

impl Loader<'_> {
    fn encoder(&self) -> &EncoderConfig {
        &self.config.network.encoder
    }

    fn norm(&self, path: &str, size: usize, config: NormConfig) -> Result<Norm> {
        read_norm(self.weights, path, size, config)
    }

    fn embeddings(&self) -> Result<Embeddings> {
        let EmbeddingsConfig { vocabulary, positions, types, size, norm, projection, .. } = self.encoder().embeddings;
        let path = |name: &str| format!("encoder.embeddings.{name}");
        let table = |name: &str, rows| self.weights.table(&path(name), rows, size);
        let after_projection = norm.is_some_and(|norm| norm.after_projection);
        let norm_size = if after_projection { self.encoder().hidden } else { size };
        let projection = projection.map(|projection| {
            let linear = self.weights.linear(&path("projection"), size, projection.hidden, projection.bias)?;
            Ok::<_, Error>(linear.pack())
        });
        Ok(Embeddings {
            token: table("token", vocabulary)?,
            position: positions.map(|config| Ok::<_, Error>((table("position", config.rows)?, config))).transpose()?,
            token_type: types.map(|rows| table("token_type", rows)).transpose()?,
            size,
            norm: norm.map(|norm| self.norm(&path("norm"), norm_size, norm.norm)).transpose()?,
            norm_after_projection: after_projection,
            projection: projection.transpose()?,
        })
    }

    fn layer(&self, index: usize) -> Result<Layer> {
        let hidden = self.encoder().hidden;
        let LayerConfig { ref attention, ref mlp, norm, placement, .. } = self.encoder().layer;
        let path = |name: &str| format!("encoder.layers.{index}.{name}");
        let linear = |name: &str, inputs, outputs, bias| self.weights.linear(&path(name), inputs, outputs, bias);
        let without = index == 0 && placement == (NormPlacement::Before { in_first_attention: false });
        let own = |name: &str| linear(&format!("attention.{name}"), hidden, hidden, attention.bias);
        let mut parts = [own("query")?, own("key")?, own("value")?];
        let relative = self.relative(index, &mut parts)?;
        let up =
            |name: &str| linear(&format!("mlp.{name}"), hidden, mlp.intermediate, mlp.bias).map(|linear| linear.pack());
        Ok(Layer {
            projections: self.projections(&parts),
            output: own("output")?.pack_for(self.shape.heads * self.shape.padded_size, &self.places()),
            attention_norm: (!without).then(|| self.norm(&path("attention_norm"), hidden, norm)).transpose()?,
            up: up("up")?,
            gate: mlp.gated.then(|| up("gate")).transpose()?,
            down: linear("mlp.down", mlp.intermediate, hidden, mlp.bias)?.pack(),
            activation: Function::new(mlp.activation),
            mlp_norm: self.norm(&path("mlp_norm"), hidden, norm)?,
            relative,
        })
    }

    /// The factor of scores, which queries take on.
    fn scale(&self) -> f32 {
        let terms = match &self.encoder().layer.attention.relative {
            RelativeConfig::Disentangled(config) => {
                1 + usize::from(config.content_to_position) + usize::from(config.position_to_content)
            }
            _ => 1,
        };
        (1.0 / ((self.shape.size * terms) as f64).sqrt()) as f32
    }

    /// Where the attention output's elements are, head by head.
    fn places(&self) -> Vec<usize> {
        let Shape { heads, size, padded_size, .. } = *self.shape;
        (0..heads).flat_map(|head| (0..size).map(move |column| head * padded_size + column)).collect()
    }

    /// For each head, its queries, keys and values.
    fn projections(&self, parts: &[Linear; 3]) -> PackedLinear {
        let Shape { heads, size, padded_size, .. } = *self.shape;
        let factors = [self.scale(), 1.0, 1.0];
        pack(self.weights.precision(), heads * 3 * padded_size, self.encoder().hidden, None, |place| {
            let (head, part, column) = (place / (3 * padded_size), place / padded_size % 3, place % padded_size);
            (column < size).then(|| (&parts[part], head * size + column, factors[part]))
        })
    }

    /// What attention needs to compare contents with distances. Adds Transformer-XL's content bias to the queries.
    fn relative(&self, index: usize, [query, key, _]: &mut [Linear; 3]) -> Result<Relative> {
        let hidden = self.encoder().hidden;
        let Shape { heads, size, padded_size, .. } = *self.shape;
        let path = |name: &str| format!("encoder.layers.{index}.attention.{name}");
        match &self.encoder().layer.attention.relative {
            RelativeConfig::None | RelativeConfig::Rotary { .. } | RelativeConfig::Bucketed { .. } => {
                Ok(Relative::None)
            }
            RelativeConfig::Disentangled(config) => {
                let project = |wanted: bool, name: &str, shared: &Linear, factor: f32| {
                    if !wanted {
                        return Ok(None);
                    }
                    let own = match config.shared_maps {
                        true => None,
                        false => Some(self.weights.linear(&path(name), hidden, hidden, true)?),
                    };
                    Ok::<_, Error>(Some(self.project_table(own.as_ref().unwrap_or(shared), factor)))
                };
                Ok(Relative::Disentangled(Disentangled {
                    keys: project(config.content_to_position, "distance_key", key, 1.0)?,
                    queries: project(config.position_to_content, "distance_query", query, self.scale())?,
                }))
            }
            RelativeConfig::TransformerXl { furthest, .. } => {
                let vectors = |name: &str| self.weights.floats(&path(name), &[heads, size]);
                let content = vectors("content_bias")?;
                // What the queries' own bias lacks, scaled as they are.
                let instead = |name: &str| {
                    let bias = vectors(name)?;
                    let scaled: Vec<f32> =
                        bias.iter().zip(&content).map(|(bias, content)| (bias - content) * self.scale()).collect();
                    Ok::<_, Error>(by_head(&scaled, size, padded_size))
                };
                let (distance_bias, segment_bias) = (instead("distance_bias")?, instead("segment_bias")?);
                let segment = self.weights.floats(&path("segment"), &[2, heads, size])?;
                let (same, other) = segment.split_at(heads * size);
                let segment = by_head(same, size, padded_size).into_iter().zip(by_head(other, size, padded_size));
                let bias = query.bias.get_or_insert_with(|| vec![0.0; hidden]);
                bias.iter_mut().zip(&content).for_each(|(bias, content)| *bias += content);
                let projection = self.weights.linear(&path("distance"), hidden, hidden, false)?;
                let projection = pack(self.weights.precision(), heads * padded_size, hidden, None, |place| {
                    let (head, column) = (place / padded_size, place % padded_size);
                    (column < size).then(|| (&projection, head * size + column, 1.0))
                });
                Ok(Relative::TransformerXl(Box::new(TransformerXl {
                    furthest: *furthest,
                    hidden,
                    projection,
                    distance_bias,
                    segment_bias,
                    segment: segment.map(|(same, other)| [same, other]).collect(),
                })))
            }
        }
    }

    /// The projected table of distances: for each head, `[ranges, padded size]`.
    fn project_table(&self, linear: &Linear, factor: f32) -> Vec<Vec<f32>> {
        let table = self.table.as_deref().unwrap_or_default();
        let Shape { heads, size, padded_size, .. } = *self.shape;
        let hidden = linear.inputs;
        let packed = linear.pack_floats();
        let rows = spread(table, hidden, padded(hidden));
        let count = table.len() / hidden;
        let stride = packed.width();
        let mut projected = vec![0.0; count * stride];
        packed.apply(
            self.isa,
            firebrand_kernels::inference::OperandRows::Float { values: &rows, width: padded(hidden) },
            0..packed.blocks(),
            firebrand_kernels::inference::Epilogue::Store,
            firebrand_kernels::inference::Output { values: &mut projected, stride },
        );
        (0..heads)
            .map(|head| {
                let mut vectors = vec![0.0; count * padded_size];
                for (vector, row) in vectors.chunks_exact_mut(padded_size).zip(projected.chunks_exact(stride)) {
                    for (to, from) in vector.iter_mut().zip(&row[head * size..(head + 1) * size]) {
                        *to = from * factor;
                    }
                }
                vectors
            })
            .collect()
    }

    fn convolution(&self) -> Result<Option<Convolution>> {
        let (Some(config), hidden) = (&self.encoder().convolution, self.encoder().hidden) else { return Ok(None) };
        let group = hidden / config.groups;
        let weight = self.weights.floats("encoder.convolution.weight", &[hidden, group, config.kernel])?;
        let bias = self.weights.floats("encoder.convolution.bias", &[hidden])?;
        let places = (0..config.kernel).map(|place| {
            let mut packed = PackedFloat::new(hidden, hidden);
            for output in 0..hidden {
                for input in 0..group {
                    let weight = weight[(output * group + input) * config.kernel + place];
                    packed.set_weight(output, output / group * group + input, weight);
                }
                if place == config.kernel / 2 {
                    packed.set_bias(output, bias[output]);
                }
            }
            PackedLinear::Float(packed)
        });
        Ok(Some(Convolution {
            places: places.collect(),
            activation: Function::new(config.activation),
            norm: self.norm("encoder.convolution.norm", hidden, config.norm)?,
            hidden: self.shape.hidden,
        }))
    }

    fn head(&self) -> Result<Head> {
        let config = &self.config.network.head;
        let dense = config.dense.map(|DenseConfig { bias, activation, norm, .. }| {
            Ok::<_, Error>(Dense {
                linear: self.weights.linear("head.dense", config.hidden, config.hidden, bias)?.pack(),
                activation: activation.map(Function::new),
                norm: norm.map(|norm| self.norm("head.norm", config.hidden, norm)).transpose()?,
            })
        });
        Ok(Head {
            pooling: config.pooling,
            dense: dense.transpose()?,
            // A handful of outputs: int8 would save nothing worth an error.
            output: self.weights.float_linear("head.output", config.hidden, config.labels, config.output_bias)?.pack(),
            labels: config.labels,
            hidden: self.shape.hidden,
        })
    }
}

/// `[heads, size]`, each head padded.
fn by_head(values: &[f32], size: usize, padded_size: usize) -> Vec<Vec<f32>> {
    spread(values, size, padded_size).chunks_exact(padded_size).map(<[f32]>::to_vec).collect()
}
