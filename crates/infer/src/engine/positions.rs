//! How positions enter attention.

use std::ops::Range;

use firebrand_arch::{AttentionConfig, Relative as RelativeConfig};

use super::distances::{self, Disentangled, TransformerXl};

/// What all layers share.
#[derive(Debug)]
pub(super) struct Positions {
    /// Whether a token sees only itself and those before it.
    pub(super) causal: bool,
    /// For each layer from the lowest, whether it has a sliding window; without one, none has.
    local: Vec<bool>,
    /// The largest distance that a sliding window sees.
    reach: usize,
    /// The wavelengths of rotary positions: of layers without and with a window.
    theta: Option<[f32; 2]>,
    /// `[heads, ranges]`: a bias for each range of distances.
    pub(super) bias: Option<Vec<Vec<f32>>>,
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
        let theta = match config.relative {
            RelativeConfig::Rotary { theta } => Some([theta as f32, local.map_or(theta, |local| local.theta) as f32]),
            _ => None,
        };
        let heads = config.heads;
        let by_head =
            |bias: &[f32]| (0..heads).map(|head| bias.iter().skip(head).step_by(heads).copied().collect()).collect();
        Self {
            causal: config.causal,
            local: local.map(|local| local.layers.clone()).unwrap_or_default(),
            reach: local.map_or(usize::MAX, |local| local.reach),
            theta,
            bias: bias.map(by_head),
        }
    }

    /// Whether a layer has a sliding window.
    pub(super) fn is_local(&self, layer: usize) -> bool {
        self.local.get(layer) == Some(&true)
    }

    /// The rotations of positions below `length`, in layers without or with a window.
    pub(super) fn rotation(&self, local: bool, length: usize, size: usize) -> Option<Rotation> {
        let theta = self.theta?[usize::from(local)];
        let half = size / 2;
        // In float32 throughout, as the reference: its rounding shows at far positions.
        let frequencies: Vec<f32> =
            (0..half).map(|pair| 1.0f32 / libm::powf(theta, (2 * pair) as f32 / size as f32)).collect();
        let angles =
            (0..length).flat_map(|position| frequencies.iter().map(move |frequency| position as f32 * frequency));
        Some(Rotation { waves: angles.map(|angle| [libm::cosf(angle), libm::sinf(angle)]).collect(), half })
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

    /// The bias of a head for each distance in a text, from `length - 1` down to `1 - length`, query minus key.
    pub(super) fn bias_by_distance(&self, head: usize, length: usize) -> Option<Vec<f32>> {
        let ranges = self.bias.as_ref()?.get(head)?;
        let range = |distance| usize::try_from(distances::bucket_of_32(distance)).unwrap_or(0);
        Some(distances::all(length).map(|distance| ranges[range(distance)]).collect())
    }
}

impl Rotation {
    /// Rotates each pair of a row's elements at a position: one in the first half, one in the second.
    pub(super) fn rotate(&self, row: &mut [f32], position: usize) {
        let waves = &self.waves[position * self.half..(position + 1) * self.half];
        let (first, second) = row.split_at_mut(self.half);
        for ((x, y), &[cosine, sine]) in first.iter_mut().zip(second).zip(waves) {
            (*x, *y) = (*x * cosine + -*y * sine, *y * cosine + *x * sine);
        }
    }
}
