//! The network on a CPU: packed weights, and texts without padding.
//!
//! Texts are packed one after the other into units of a few hundred tokens, whose activations stay in a core's own cache. For
//! each head, queries, keys and values are one product, followed by attention of each text; then, for each group of rows, the
//! rest of the layer. In the last layer, only the tokens that the head pools are computed. Many units are shared out to the
//! cores, one unit to a core; a lone unit has its heads and rows shared out.

mod convolution;
mod distances;
mod embeddings;
mod forward;
mod head;
mod layer;
pub(crate) mod linear;
mod load;
mod positions;
mod units;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use firebrand_arch::{ModelConfig, NormPlacement, Tokens};
use firebrand_kernels::inference::{Isa, Norm};
use rayon::prelude::*;

use crate::weights::Weights;
use convolution::Convolution;
use embeddings::Embeddings;
use forward::Scratch;
use head::Head;
use layer::Layer;
use positions::Positions;

use crate::{Error, Result};

/// A network and the threads that compute it.
#[derive(Debug)]
pub(crate) struct Engine {
    network: Network,
    pool: rayon::ThreadPool,
    scratch: Mutex<Vec<Scratch>>,
}

/// Packed weights, and how they are applied.
#[derive(Debug)]
struct Network {
    isa: Isa,
    embeddings: Embeddings,
    /// Layers with parameters of their own.
    distinct: Vec<Layer>,
    /// Number of layers.
    layers: usize,
    convolution: Option<Convolution>,
    final_norm: Option<Norm>,
    head: Head,
    shape: Shape,
    positions: Positions,
    pad_token_id: u32,
    vocabulary: usize,
    max_length: Option<usize>,
}

/// Sizes that all layers share.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    /// Width of the hidden states, padded.
    hidden: usize,
    /// Number of heads.
    heads: usize,
    /// Width of a head.
    size: usize,
    /// The same, padded.
    padded_size: usize,
    placement: NormPlacement,
}

impl Engine {
    /// Packs the weights.
    ///
    /// # Errors
    /// When a weight cannot be read, or there cannot be so many threads.
    pub(crate) fn new(config: &ModelConfig, weights: &Weights, isa: Isa, threads: NonZeroUsize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build();
        let pool = pool.map_err(|error| Error::other(format!("cannot start {threads} threads: {error}")))?;
        let network = pool.install(|| load::network(config, weights, isa))?;
        Ok(Self { network, pool, scratch: Mutex::default() })
    }

    /// The logits of each row.
    ///
    /// # Errors
    /// When a row is empty, too long, or has a token that the model does not have.
    pub(crate) fn logits(&self, rows: &[Tokens<'_>]) -> Result<Vec<Vec<f32>>> {
        rows.iter().try_for_each(|row| self.check(row))?;
        let units = units::units(rows.iter().map(|row| row.ids.len()));
        let threads = self.pool.current_num_threads();
        let compute = |unit: &std::ops::Range<usize>, shared: bool| self.unit(&rows[unit.clone()], shared);
        let logits: Vec<Vec<Vec<f32>>> = if units.len() >= 2 * threads || threads == 1 {
            self.pool.install(|| units.par_iter().with_max_len(1).map(|unit| compute(unit, false)).collect())
        } else {
            let units = units::few(&units, threads);
            self.pool.install(|| match units.len() {
                1 => vec![compute(&units[0], true)],
                _ => units.par_iter().with_max_len(1).map(|unit| compute(unit, true)).collect(),
            })
        };
        Ok(logits.into_iter().flatten().collect())
    }

    /// The logits of rows, unit by unit; called within the pool, whose other threads help if the units are shared. The rows
    /// must have passed the [check](Self::check).
    pub(crate) fn units(&self, rows: &[Tokens<'_>], shared: bool) -> Vec<Vec<f32>> {
        let units = units::units(rows.iter().map(|row| row.ids.len()));
        units.into_iter().flat_map(|unit| self.unit(&rows[unit], shared)).collect()
    }

    fn unit(&self, rows: &[Tokens<'_>], shared: bool) -> Vec<Vec<f32>> {
        let free = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = free().pop().unwrap_or_default();
        let logits = self.network.forward(rows, shared, &mut scratch);
        free().push(scratch);
        logits
    }

    /// The threads that compute.
    pub(crate) fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    pub(crate) fn isa(&self) -> Isa {
        self.network.isa
    }

    /// Whether a row can be computed.
    ///
    /// # Errors
    /// When it is empty, too long, or has a token that the model does not have.
    pub(crate) fn check(&self, row: &Tokens<'_>) -> Result<()> {
        let problem = if row.ids.is_empty() {
            "it has no tokens".to_owned()
        } else if row.ids.len() != row.type_ids.len() {
            format!("it has {} tokens, but {} type ids", row.ids.len(), row.type_ids.len())
        } else if let Some(most) = self.network.max_length.filter(|&most| row.ids.len() > most) {
            format!("it has {} tokens, but the model takes at most {most}", row.ids.len())
        } else if let Some(id) = row.ids.iter().find(|&&id| id as usize >= self.network.vocabulary) {
            format!("it has the token {id}, but the model has {} tokens", self.network.vocabulary)
        } else if let Some(id) = row.type_ids.iter().find(|&&id| !self.network.embeddings.has_type(id)) {
            format!("it has the type id {id}, which the model does not have")
        } else {
            return Ok(());
        };
        Err(Error::data(format!("a row cannot be computed: {problem}")))
    }
}
