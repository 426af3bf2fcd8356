//! The gradients of one step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients as BurnGradients, Tensor};
use firebrand_kernels::embedding::SparseRows;
use firebrand_kernels::fused::{self, RowGradients};

use crate::learner::memory::Failure;
use crate::parameters::{self, Look};

/// The gradient of a parameter.
#[derive(Debug)]
pub(crate) enum Gradient {
    /// Of every element, flattened.
    Dense(Tensor<1>),
    /// Of a table's rows that were looked up; of the others it is zero.
    Rows {
        rows: SparseRows,
        /// Elements of a row.
        width: usize,
    },
}

impl Gradient {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Dense(one), Self::Dense(other)) => Self::Dense(one + other),
            (Self::Rows { rows: one, width }, Self::Rows { rows: other, .. }) => {
                Self::Rows { rows: one.plus(other), width }
            }
            (Self::Dense(dense), Self::Rows { rows, width }) | (Self::Rows { rows, width }, Self::Dense(dense)) => {
                let table = dense.reshape([-1, width as i32]);
                Self::Dense(fused::add_rows(table, &rows).flatten(0, 1))
            }
        }
    }
}

/// Gradients of parameters by path. A parameter that the loss does not reach has none.
#[derive(Debug)]
pub struct Gradients {
    by_path: BTreeMap<String, Gradient>,
    norm: f64,
    /// What each is to be multiplied with where it is used.
    scale: f64,
    /// What the device says where they could not be computed; the norm is no number then.
    failure: Option<String>,
}

impl Gradients {
    /// Takes the gradients of a module's parameters out of a backward pass, and those of tables that were left in `rows`.
    pub fn of<M: Module>(module: &M, gradients: BurnGradients, rows: &RowGradients) -> Self {
        let mut visit = Visit { gradients, rows, taker: Taker::default() };
        parameters::visit(module, &mut visit);
        visit.taker.finish()
    }

    /// The sum of both, neither of which is clipped.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        let mut sum = BTreeMap::new();
        for (path, gradient) in other.by_path {
            let gradient = match self.by_path.remove(&path) {
                Some(mine) => mine.plus(gradient),
                None => gradient,
            };
            sum.insert(path, gradient);
        }
        sum.append(&mut self.by_path);
        Self::measured(sum)
    }

    /// The same ones on another device.
    #[must_use]
    pub(crate) fn on(self, device: &Device) -> Self {
        let to_device = |gradient| match gradient {
            Gradient::Dense(dense) => Gradient::Dense(dense.to_device(device)),
            rows @ Gradient::Rows { .. } => rows,
        };
        let by_path = self.by_path.into_iter().map(|(path, gradient)| (path, to_device(gradient))).collect();
        Self { by_path, ..self }
    }

    /// All of them, unclipped, by path.
    pub(crate) fn into_paths(self) -> BTreeMap<String, Gradient> {
        self.by_path
    }

    #[cfg(test)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&String, &Gradient)> {
        self.by_path.iter()
    }

    /// Gradients with their norm.
    pub(crate) fn measured(by_path: BTreeMap<String, Gradient>) -> Self {
        let mut measured = Taker::default();
        by_path.into_iter().for_each(|(path, gradient)| measured.add(path, gradient));
        measured.finish()
    }

    /// The Euclidean norm of all gradients together, before any clipping.
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// Scales all gradients down to the norm `largest`: `clip_grad_norm_` of torch.
    #[must_use]
    pub fn clipped(self, largest: f64) -> Self {
        Self { scale: self.scale * (largest / (self.norm + 1e-6)).min(1.0), ..self }
    }

    /// What they are without a scale that the loss had.
    #[must_use]
    pub(crate) fn unscaled(self, scale: f64) -> Self {
        Self { norm: self.norm / scale, scale: self.scale / scale, ..self }
    }

    /// Whether they could be computed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(Failure::of(failure)))
    }

    /// Takes the gradient of a path, and what it is to be multiplied with.
    pub(crate) fn remove(&mut self, path: &str) -> Option<(Gradient, f64)> {
        self.by_path.remove(path).map(|gradient| (gradient, self.scale))
    }
}

/// Whether a device's tensors lie in this process's memory.
pub(crate) fn on_host(device: &Device) -> bool {
    firebrand_model::CPU_DEVICES.iter().any(|name| firebrand_model::device(name).is_ok_and(|host| host == *device))
}

/// Collects gradients and measures them.
#[derive(Default)]
struct Taker {
    by_path: BTreeMap<String, Gradient>,
    /// Sum of squares of the gradients that lie in this process's memory.
    on_host: f64,
    /// Sums of squares of the others.
    elsewhere: Vec<Tensor<1>>,
}

impl Taker {
    fn add(&mut self, path: String, gradient: Gradient) {
        match &gradient {
            Gradient::Rows { rows, .. } => self.on_host += rows.sum_of_squares(),
            Gradient::Dense(dense) if on_host(&dense.device()) => self.on_host += fused::sum_of_squares(dense.clone()),
            Gradient::Dense(dense) => self.elsewhere.push((dense.clone() * dense.clone()).sum()),
        }
        self.by_path.insert(path, gradient);
    }

    fn finish(self) -> Gradients {
        let (mut squares, mut failure) = (self.on_host, None);
        if !self.elsewhere.is_empty() {
            // One tensor, so that a device is asked once.
            match Tensor::cat(self.elsewhere, 0).try_into_data() {
                Ok(data) => squares += data.iter::<f64>().sum::<f64>(),
                Err(error) => (squares, failure) = (f64::NAN, Some(error.to_string())),
            }
        }
        Gradients { by_path: self.by_path, norm: squares.sqrt(), scale: 1.0, failure }
    }
}

struct Visit<'a> {
    gradients: BurnGradients,
    rows: &'a RowGradients,
    taker: Taker,
}

impl Look for Visit<'_> {
    fn look<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let value = param.val();
        let dense = value.grad_remove(&mut self.gradients).map(|dense| Gradient::Dense(dense.flatten(0, D - 1)));
        let rows = self.rows.remove(&value).map(|rows| Gradient::Rows { rows, width: value.dims()[D - 1] });
        let gradient = match (dense, rows) {
            (Some(dense), Some(rows)) => Some(dense.plus(rows)),
            (dense, rows) => dense.or(rows),
        };
        if let Some(gradient) = gradient {
            self.taker.add(path.to_owned(), gradient);
        }
    }
}
