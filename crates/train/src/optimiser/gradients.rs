//! The gradients of one step, by parameter path.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients as BurnGradients, Tensor};
use firebrand_fused::{self as fused, RowGradients};
use firebrand_kernels::adamw::clip_factor;
use firebrand_kernels::embedding::SparseRows;

use crate::learner::memory::Failure;
use crate::parameters::{self, VisitParameters};

/// The gradient of one parameter.
#[derive(Debug)]
pub(crate) enum Gradient {
    /// For every element, flattened.
    Dense(Tensor<1>),
    /// For the rows of an embedding table that were looked up; zero for all others.
    Rows {
        rows: SparseRows,
        /// Elements per row.
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

/// Gradients by parameter path. A parameter that does not contribute to the loss has none.
#[derive(Debug)]
pub struct Gradients {
    by_path: BTreeMap<String, Gradient>,
    norm: f64,
    /// Factor that is applied when a gradient is used.
    scale: f64,
    /// The device's error if they could not be computed; the norm is then NaN.
    failure: Option<String>,
}

impl Gradients {
    /// Collects the gradients of a module's parameters from a backward pass, and those of embedding tables from `rows`.
    pub fn of<M: Module>(module: &M, gradients: BurnGradients, rows: &RowGradients) -> Self {
        let mut visit = Visit { gradients, rows, taker: Taker::default() };
        parameters::visit(module, &mut visit);
        visit.taker.finish()
    }

    /// The sum of two sets of unclipped gradients.
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

    /// Moves them to another device.
    #[must_use]
    pub(crate) fn on(self, device: &Device) -> Self {
        let to_device = |gradient| match gradient {
            Gradient::Dense(dense) => Gradient::Dense(dense.to_device(device)),
            rows @ Gradient::Rows { .. } => rows,
        };
        let by_path = self.by_path.into_iter().map(|(path, gradient)| (path, to_device(gradient))).collect();
        Self { by_path, ..self }
    }

    /// The unclipped gradients by path.
    pub(crate) fn into_paths(self) -> BTreeMap<String, Gradient> {
        self.by_path
    }

    #[cfg(test)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&String, &Gradient)> {
        self.by_path.iter()
    }

    /// Computes the norm of these gradients.
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
        Self { scale: self.scale * clip_factor(self.norm, largest), ..self }
    }

    /// Divides by the factor that the loss was scaled with.
    #[must_use]
    pub(crate) fn unscaled(self, scale: f64) -> Self {
        Self { norm: self.norm / scale, scale: self.scale / scale, ..self }
    }

    /// An error if the device could not compute them.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(Failure::of(failure)))
    }

    /// Removes the gradient at a path, and returns it with its scale.
    pub(crate) fn remove(&mut self, path: &str) -> Option<(Gradient, f64)> {
        self.by_path.remove(path).map(|gradient| (gradient, self.scale))
    }
}

/// Whether a device keeps its tensors in host memory.
pub(crate) fn on_host(device: &Device) -> bool {
    firebrand_model::CPU_DEVICES.iter().any(|name| firebrand_model::device(name).is_ok_and(|host| host == *device))
}

/// Collects gradients and computes their norm.
#[derive(Default)]
struct Taker {
    by_path: BTreeMap<String, Gradient>,
    /// Sum of squares of the gradients in host memory.
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
            // One tensor, so that there is one transfer from the device.
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

impl VisitParameters for Visit<'_> {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
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
