//! What the layers of one forward pass share: masks, rotations, distances.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::rotary::Rotation;
use super::{AttentionConfig, Distances, Relative, distances};
use crate::batch::{Chosen, MASKED};
use crate::{Batch, Dropout, DropoutRng};

/// What the layers of one forward pass share.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    batch: &'a Batch,
    everywhere: View,
    nearby: Option<View>,
    distances: Option<Distances>,
    other_segment: Option<Tensor<4>>,
}

/// What layers of one reach share.
#[derive(Debug)]
struct View {
    bias: Option<Tensor<4>>,
    rotation: Option<Rotation>,
}

/// What one layer gets of a [`Context`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerContext<'a> {
    pub(super) batch: &'a Batch,
    /// The tokens whose answers are wanted; those of all without.
    chosen: Option<&'a Chosen>,
    /// Added to the scores: broadcast to `[rows, heads, length, length]`.
    pub(super) bias: Option<&'a Tensor<4>>,
    pub(super) rotation: Option<&'a Rotation>,
    pub(super) distances: Option<&'a Distances>,
    /// 1 where query and key are in different segments: `[rows, 1, length, length]`.
    pub(super) other_segment: Option<&'a Tensor<4>>,
}

impl<'a> Context<'a> {
    /// `table` is the encoder's own one of distances, normalised: `[rows, hidden]`, or `[rows, heads]`.
    pub(crate) fn new(
        config: &AttentionConfig,
        hidden: usize,
        table: Option<Tensor<2>>,
        batch: &'a Batch,
        rng: &mut Option<&mut DropoutRng>,
    ) -> Self {
        let length = batch.longest();
        let device = batch.ids.device();
        // Where packed texts are taken as they are, none sees anything but itself.
        let rectangle = batch.packed().is_none()
            || matches!(config.relative, Relative::Disentangled(_) | Relative::TransformerXl { .. });
        let mut bias = if rectangle { batch.padding_bias() } else { None };
        if config.causal && length > 1 {
            // Padding comes after every token, so no token sees it.
            bias = Some(mask(length, &device, |query, key| key > query));
        }
        let places = batch.places();
        let mut distances = None;
        let mut rotation = None;
        match (&config.relative, table) {
            (Relative::Rotary { theta }, _) => {
                rotation = Some(Rotation::new(&places, hidden / config.heads, *theta, &device));
            }
            (Relative::Bucketed { .. }, Some(table)) => {
                let rows = indices(distances::all(length).map(distances::bucket_of_32), &device);
                let by_distance = table.select(0, rows).transpose().reshape([1, config.heads, 1, 2 * length - 1]);
                let scores = distances::by_key(by_distance.expand([1, config.heads, length, 2 * length - 1]));
                bias = Some(add(bias, scores));
            }
            (Relative::Disentangled(relative), Some(table)) => {
                let rows = indices(distances::all(length).map(|distance| relative.row(distance)), &device);
                let dropout = Dropout { probability: relative.dropout };
                distances = Some(Distances { table, rows: Some(rows), dropout });
            }
            (Relative::TransformerXl { furthest, dropout }, _) => {
                let furthest = furthest.map_or(i64::MAX, |furthest| furthest as i64);
                let near = distances::all(length).map(|distance| distance.clamp(-furthest, furthest));
                let waves = Tensor::from_data(distances::waves(near, hidden), &device);
                let table = Dropout { probability: *dropout }.forward(waves, rng);
                distances = Some(Distances { table, rows: None, dropout: Dropout { probability: 0.0 } });
            }
            (Relative::None | Relative::Bucketed { .. } | Relative::Disentangled(_), _) => (),
        }
        let nearby = config.local.as_ref().map(|local| {
            let far = (length > local.reach + 1)
                .then(|| mask(length, &device, |query, key| query.abs_diff(key) > local.reach));
            let rotation =
                rotation.as_ref().map(|_| Rotation::new(&places, hidden / config.heads, local.theta, &device));
            let bias = match far {
                Some(far) => Some(add(bias.clone(), far)),
                None => bias.clone(),
            };
            View { bias, rotation }
        });
        let other_segment = matches!(config.relative, Relative::TransformerXl { .. }).then(|| other_segment(batch));
        Self { batch, everywhere: View { bias, rotation }, nearby, distances, other_segment }
    }

    /// What the layer of this index gets.
    pub(crate) fn layer(&self, config: &AttentionConfig, index: usize) -> LayerContext<'_> {
        let local = config.local.as_ref().is_some_and(|local| local.layers.get(index) == Some(&true));
        let view = self.nearby.as_ref().filter(|_| local).unwrap_or(&self.everywhere);
        LayerContext {
            batch: self.batch,
            chosen: None,
            bias: view.bias.as_ref(),
            rotation: view.rotation.as_ref(),
            distances: self.distances.as_ref(),
            other_segment: self.other_segment.as_ref(),
        }
    }
}

impl<'a> LayerContext<'a> {
    /// Where only these tokens' answers are wanted.
    pub(crate) fn only(self, chosen: Option<&'a Chosen>) -> Self {
        Self { chosen, ..self }
    }

    /// Whether the answers of all tokens are wanted.
    pub(super) fn wants_all(&self) -> bool {
        self.chosen.is_none()
    }

    /// The tokens whose answers are wanted, of all.
    pub(crate) fn chosen(&self, x: Tensor<3>) -> Tensor<3> {
        match self.chosen {
            Some(chosen) => chosen.of(x),
            None => x,
        }
    }

    /// What is added to their scores.
    pub(super) fn chosen_bias(&self) -> Option<Tensor<4>> {
        let bias = self.bias.cloned()?;
        Some(match self.chosen {
            Some(chosen) => chosen.of_bias(bias),
            None => bias,
        })
    }
}

fn add(bias: Option<Tensor<4>>, more: Tensor<4>) -> Tensor<4> {
    match bias {
        Some(bias) => bias + more,
        None => more,
    }
}

/// `[1, 1, length, length]`: a large negative number where a query must not see a key.
fn mask(length: usize, device: &Device, hidden: impl Fn(usize, usize) -> bool) -> Tensor<4> {
    let score = |query, key| if hidden(query, key) { MASKED } else { 0.0 };
    let values: Vec<f32> =
        (0..length).flat_map(|query| (0..length).map(move |key| (query, key))).map(|(q, k)| score(q, k)).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, length, length]), device)
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
