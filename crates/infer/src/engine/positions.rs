//! How positions enter attention.

use std::ops::Range;

use firebrand_arch::distances::{all, bucket_of_32};
use firebrand_arch::{AttentionConfig, Relative as RelativeConfig};

use super::distances::{Disentangled, TransformerXl};

/// What all layers share.
#[derive(Debug)]
pub(super) struct Positions {
    /// Whether a token sees only itself and those before it.
    causal: bool,
    /// For each layer from the lowest, whether it has a sliding window; without one, none has.
    local: Vec<bool>,
    /// The largest distance that a sliding window sees.
    reach: usize,
    relative: RelativeConfig,
    /// The base of the wavelengths of rotary positions in layers with a sliding window.
    local_theta: f64,
    /// `[heads, ranges]`: a bias for each range of distances.
    bias: Option<Vec<Vec<f32>>>,
}

/// What all layers and heads of a unit share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Tokens of the longest text.
    longest: usize,
    /// Of layers without and with a sliding window.
    rotations: [Option<Rotation>; 2],
    /// For each distance in the longest text, the range that it falls into; empty if the model has no ranges.
    ranges: Vec<usize>,
}

/// What a layer needs to compare contents with distances.
#[derive(Debug)]
pub(super) enum Relative {
    None,
    Disentangled(Disentangled),
    TransformerXl(Box<TransformerXl>),
}

/// The rotation of each position: for each, cosines and sines of half a head's elements.
#[derive(Debug, Clone)]
pub(super) struct Rotation {
    waves: Vec<[f32; 2]>,
    half: usize,
}

impl Positions {
    /// `bias`: `[ranges, heads]`.
    pub(super) fn new(config: &AttentionConfig, bias: Option<&[f32]>) -> Self {
        let local = config.local.as_ref();
        let heads = config.heads;
        let by_head =
            |bias: &[f32]| (0..heads).map(|head| bias.iter().skip(head).step_by(heads).copied().collect()).collect();
        Self {
            causal: config.causal,
            local: local.map(|local| local.layers.clone()).unwrap_or_default(),
            reach: local.map_or(usize::MAX, |local| local.reach),
            relative: config.relative.clone(),
            local_theta: local.map_or(0.0, |local| local.theta),
            bias: bias.map(by_head),
        }
    }

    /// Whether a layer has a sliding window.
    pub(super) fn is_local(&self, layer: usize) -> bool {
        self.local.get(layer) == Some(&true)
    }

    /// What layers and heads share, for texts of up to `longest` tokens and heads of `size` elements.
    pub(super) fn shared(&self, longest: usize, size: usize) -> Shared {
        let range = |distance| match &self.relative {
            RelativeConfig::Bucketed { .. } => Some(bucket_of_32(distance)),
            RelativeConfig::Disentangled(config) => Some(config.row(distance)),
            RelativeConfig::None | RelativeConfig::Rotary { .. } | RelativeConfig::TransformerXl { .. } => None,
        };
        let ranges = all(longest).filter_map(range).map(|range| usize::try_from(range).unwrap_or(0)).collect();
        let rotations = match self.relative {
            RelativeConfig::Rotary { theta } => {
                let local = !self.local.is_empty();
                [
                    Some(Rotation::new(theta, longest, size)),
                    local.then(|| Rotation::new(self.local_theta, longest, size)),
                ]
            }
            _ => [None, None],
        };
        Shared { longest, rotations, ranges }
    }

    /// The keys that queries at these positions see; `None` if all see all of a text of this length.
    pub(super) fn visible(&self, local: bool, queries: Range<usize>, length: usize) -> Option<Vec<Range<usize>>> {
        let reach = if local { self.reach } else { usize::MAX };
        let after = if self.causal { 0 } else { reach };
        if reach.min(after) >= length.saturating_sub(1) {
            return None;
        }
        let keys =
            |query: usize| query.saturating_sub(reach)..query.saturating_add(after).saturating_add(1).min(length);
        Some(queries.map(keys).collect())
    }

    /// The biases of a head by range of distances, if the model has any.
    pub(super) fn bias(&self, head: usize) -> Option<&[f32]> {
        self.bias.as_ref()?.get(head).map(Vec::as_slice)
    }
}

impl Shared {
    /// The rotations of layers without or with a sliding window.
    pub(super) fn rotation(&self, local: bool) -> Option<&Rotation> {
        self.rotations[usize::from(local)].as_ref()
    }

    /// The range of each distance in a text, from `length - 1` down to `1 - length`, query minus key.
    pub(super) fn ranges(&self, length: usize) -> &[usize] {
        let first = self.longest - length;
        self.ranges.get(first..first + 2 * length - 1).unwrap_or_default()
    }
}

impl Rotation {
    /// For positions below `length`, with wavelengths of this base.
    fn new(theta: f64, length: usize, size: usize) -> Self {
        let half = size / 2;
        // In float32 throughout, as the reference: its rounding shows at far positions.
        let frequencies: Vec<f32> =
            (0..half).map(|pair| 1.0f32 / libm::powf(theta as f32, (2 * pair) as f32 / size as f32)).collect();
        let angles =
            (0..length).flat_map(|position| frequencies.iter().map(move |frequency| position as f32 * frequency));
        Self { waves: angles.map(|angle| [libm::cosf(angle), libm::sinf(angle)]).collect(), half }
    }

    /// Rotates each pair of a row's elements at a position: one in the first half, one in the second.
    pub(super) fn rotate(&self, row: &mut [f32], position: usize) {
        let waves = &self.waves[position * self.half..(position + 1) * self.half];
        let (first, second) = row.split_at_mut(self.half);
        for ((x, y), &[cosine, sine]) in first.iter_mut().zip(second).zip(waves) {
            (*x, *y) = (*x * cosine + -*y * sine, *y * cosine + *x * sine);
        }
    }
}
