//! Embedding lookup with a row-sparse gradient.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Int, Tensor, module};
use firebrand_kernels::embedding::SparseRows;
use firebrand_kernels::with_value;

/// Collects row-sparse gradients of embedding tables, instead of dense gradients in Burn's container: those of a large
/// vocabulary would be tens of millions of zeros to write and read in each step.
#[derive(Debug, Clone, Default)]
pub struct RowGradients {
    /// By the table's node in the autodiff graph.
    found: Arc<Mutex<Vec<(u64, SparseRows)>>>,
}

thread_local! {
    static CURRENT: RefCell<Option<RowGradients>> = const { RefCell::new(None) };
}

impl RowGradients {
    /// Runs a forward pass whose [`embedding`] lookups will leave their tables' gradients here.
    pub fn within<T>(&self, run: impl FnOnce() -> T) -> T {
        with_value(&CURRENT, Some(self.clone()), run)
    }

    /// Takes a table's gradient after the backward pass: the sum over all lookups. Burn's container may hold one as well, from
    /// other uses of the table, or because this device keeps all gradients there.
    pub fn remove<const D: usize>(&self, table: &Tensor<D>) -> Option<SparseRows> {
        let node = node(table)?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.extract_if(.., |(table, _)| *table == node).map(|(_, rows)| rows).reduce(SparseRows::plus)
    }

    #[cfg(feature = "flex")]
    fn add(&self, node: u64, rows: SparseRows) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push((node, rows));
    }
}

/// Looks up rows of a table.
///
/// Within [`RowGradients::within`], on `flex`, the gradient of a trainable table is collected there.
///
/// # Shapes
/// - `table`: `[rows, width]`
/// - `ids`: `[texts, length]`, each below `rows`
/// - output: `[texts, length, width]`
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if table.is_require_grad()
        && let (Some(gradients), Some(node)) = (CURRENT.with_borrow(Clone::clone), node(&table))
    {
        return flex::embedding(table, ids, node, gradients);
    }
    module::embedding(table, ids)
}

/// The autodiff node of a [supported](super::operation::is_supported) tensor.
#[cfg(feature = "flex")]
fn node<const D: usize>(tensor: &Tensor<D>) -> Option<u64> {
    use burn::backend::{BackendTensor, DispatchTensorKind};
    if !super::operation::is_supported(tensor) {
        return None;
    }
    match tensor.clone().into_dispatch().kind {
        DispatchTensorKind::Autodiff(inner) => match *inner {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => Some(tensor.id().value),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(not(feature = "flex"))]
fn node<const D: usize>(_: &Tensor<D>) -> Option<u64> {
    None
}

#[cfg(feature = "flex")]
mod flex {
    use std::sync::Arc;

    use burn::backend::TensorMetadata;
    use burn::backend::flex::FlexTensor;
    use burn::tensor::{Int, Tensor};
    use firebrand_kernels::{Arch, embedding};

    use super::RowGradients;
    use crate::operation::{Fused, contiguous, run, slice, tensor};

    pub(super) fn embedding(table: Tensor<2>, ids: Tensor<2, Int>, node: u64, gradients: RowGradients) -> Tensor<3> {
        let size = ids.dims();
        let ids = ids.into_data().iter::<u32>().collect();
        run(Lookup { ids, size, node, gradients }, [table.into_dispatch()])
    }

    /// Input: the table.
    #[derive(Debug, Clone)]
    struct Lookup {
        ids: Arc<[u32]>,
        size: [usize; 2],
        node: u64,
        gradients: RowGradients,
    }

    impl Fused<1> for Lookup {
        type Saved = ();

        fn forward(&self, [table]: [FlexTensor; 1]) -> (FlexTensor, ()) {
            let table = contiguous(table);
            let [_, width] = table.shape().dims();
            let rows = embedding::look_up(&self.ids, slice(&table), width);
            let [texts, length] = self.size;
            (tensor(rows, [texts, length, width]), ())
        }

        fn backward(&self, (): (), gradient: FlexTensor, [wanted]: [bool; 1]) -> [Option<FlexTensor>; 1] {
            if wanted {
                let gradient = contiguous(gradient);
                let [_, _, width] = gradient.shape().dims();
                self.gradients.add(self.node, embedding::gradient(Arch::new(), &self.ids, slice(&gradient), width));
            }
            [None]
        }
    }
}
