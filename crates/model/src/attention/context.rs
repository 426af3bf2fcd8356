//! What the layers of one forward pass share: biases, windows, rotations, distances.

use burn::tensor::{Device, Int, Tensor, TensorData};
use firebrand_arch::{AttentionConfig, Relative, distances};
use firebrand_fused::window_bias;
use firebrand_kernels::Window;

use super::Distances;
use super::distances::by_key;
use super::rotary::Rotation;
use crate::batch::Selection;
use crate::{Batch, Dropout, DropoutRng};

/// What the layers of one forward pass share.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    batch: &'a Batch,
    bias: Option<Tensor<4>>,
    global: View,
    local: Option<View>,
    distances: Option<Distances>,
    other_segment: Option<Tensor<4>>,
}

/// What layers with the same window share.
#[derive(Debug)]
struct View {
    window: Window,
    rotation: Option<Rotation>,
}

/// The part of a [`Context`] that one layer needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerContext<'a> {
    pub(super) batch: &'a Batch,
    /// The tokens whose output is needed; `None` means all.
    selection: Option<&'a Selection>,
    /// Added to the scores: broadcast to `[rows, heads, length, length]`.
    bias: Option<&'a Tensor<4>>,
    window: Window,
    pub(super) rotation: Option<&'a Rotation>,
    pub(super) distances: Option<&'a Distances>,
    /// 1 where query and key are in different segments: `[rows, 1, length, length]`.
    pub(super) other_segment: Option<&'a Tensor<4>>,
}

impl<'a> Context<'a> {
    /// `table` is the encoder's table of distances, normalised: `[rows, hidden]`, or `[rows, heads]`.
    pub(crate) fn new(
        config: &AttentionConfig,
        hidden: usize,
        table: Option<Tensor<2>>,
        batch: &'a Batch,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Self {
        let length = batch.longest();
        let device = batch.ids.device();
        // Attention over packed texts sees no padding.
        let padded = batch.packed().is_none()
            || matches!(config.relative, Relative::Disentangled(_) | Relative::TransformerXl { .. });
        let mut bias = if padded { batch.padding_bias() } else { None };
        let positions = batch.positions();
        let rotation = |theta| Rotation::new(&positions, hidden / config.heads, theta, &device);
        let mut distances = None;
        match (&config.relative, table) {
            (Relative::Bucketed { .. }, Some(table)) => {
                let rows = indices(distances::all(length).map(distances::bucket_of_32), &device);
                let by_distance = table.select(0, rows).transpose().reshape([1, config.heads, 1, 2 * length - 1]);
                let scores = by_key(by_distance.expand([1, config.heads, length, 2 * length - 1]));
                bias = sum(bias, Some(scores));
            }
            (Relative::Disentangled(relative), Some(table)) => {
                let rows = indices(distances::all(length).map(|distance| relative.row(distance)), &device);
                let dropout = Dropout { probability: relative.dropout };
                distances = Some(Distances { table, rows: Some(rows), dropout });
            }
            (Relative::TransformerXl { furthest, dropout }, _) => {
                let furthest = furthest.map_or(i64::MAX, |furthest| furthest as i64);
                let near = distances::all(length).map(|distance| distance.clamp(-furthest, furthest));
                let vectors = TensorData::new(distances::sinusoids(near, hidden), [2 * length - 1, hidden / 2 * 2]);
                let vectors = Tensor::from_data(vectors, &device);
                let table = Dropout { probability: *dropout }.forward(vectors, rng);
                distances = Some(Distances { table, rows: None, dropout: Dropout { probability: 0.0 } });
            }
            (Relative::None | Relative::Rotary { .. } | Relative::Bucketed { .. } | Relative::Disentangled(_), _) => (),
        }
        let rotary = match config.relative {
            Relative::Rotary { theta } => Some(theta),
            _ => None,
        };
        let window = if config.causal { Window::CAUSAL } else { Window::ALL };
        let local = config.local.as_ref().map(|local| View {
            window: window.intersection(Window::sliding(local.reach)),
            rotation: rotary.map(|_| rotation(local.theta)),
        });
        let other_segment = matches!(config.relative, Relative::TransformerXl { .. }).then(|| other_segment(batch));
        let global = View { window, rotation: rotary.map(rotation) };
        Self { batch, bias, global, local, distances, other_segment }
    }

    /// The part for the layer of this index.
    pub(crate) fn layer(&self, config: &AttentionConfig, index: usize) -> LayerContext<'_> {
        let local = config.local.as_ref().is_some_and(|local| local.layers.get(index) == Some(&true));
        let view = self.local.as_ref().filter(|_| local).unwrap_or(&self.global);
        LayerContext {
            batch: self.batch,
            selection: None,
            bias: self.bias.as_ref(),
            window: view.window,
            rotation: view.rotation.as_ref(),
            distances: self.distances.as_ref(),
            other_segment: self.other_segment.as_ref(),
        }
    }
}

impl<'a> LayerContext<'a> {
    /// For the output of these tokens only.
    pub(crate) fn only(self, selection: Option<&'a Selection>) -> Self {
        Self { selection, ..self }
    }

    /// Whether the output of all tokens is needed.
    pub(super) fn selects_all(&self) -> bool {
        self.selection.is_none()
    }

    /// The selected ones of all tokens.
    pub(crate) fn selected(&self, x: Tensor<3>) -> Tensor<3> {
        match self.selection {
            Some(selection) => selection.of(x),
            None => x,
        }
    }

    /// What the selected tokens see: a window, and a bias for their scores.
    pub(super) fn visible(&self) -> (Window, Option<Tensor<4>>) {
        let Some(selection) = self.selection else { return (self.window, self.bias.cloned()) };
        let bias = self.bias.map(|bias| selection.of_bias(bias.clone()));
        let positions = selection.positions();
        let ([rows], length) = (positions.dims(), self.batch.longest());
        // The window of a lone token is a bias.
        let window = window_bias(self.window, positions, length).map(|bias| bias.reshape([rows, 1, 1, length]));
        (Window::ALL, sum(bias, window))
    }

    /// The bias for the scores of all pairs of tokens, the window included.
    pub(super) fn pair_bias(&self) -> Option<Tensor<4>> {
        let length = self.batch.longest();
        let positions = Tensor::<1, Int>::arange(0..length as i64, &self.batch.ids.device());
        let window = window_bias(self.window, positions, length).map(|bias| bias.reshape([1, 1, length, length]));
        sum(self.bias.cloned(), window)
    }
}

fn sum(one: Option<Tensor<4>>, other: Option<Tensor<4>>) -> Option<Tensor<4>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

fn indices(rows: impl Iterator<Item = i64>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

/// `[rows, 1, length, length]`.
fn other_segment(batch: &Batch) -> Tensor<4> {
    let [first, second] = batch.type_ids.dims();
    let type_ids = batch.pad(batch.type_ids.clone().float().reshape([first, second, 1]));
    let [rows, length, _] = type_ids.dims();
    let of_query = type_ids.clone().reshape([rows, 1, length, 1]).expand([rows, 1, length, length]);
    let of_key = type_ids.reshape([rows, 1, 1, length]).expand([rows, 1, length, length]);
    of_query.not_equal(of_key).float()
}
