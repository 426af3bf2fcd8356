//! The optimiser's kernels on tensors outside the autodiff graph. On `flex`, tensors with a single owner are updated in place.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};
use firebrand_kernels::adamw::AdamW;
use firebrand_kernels::embedding::SparseRows;
#[cfg(feature = "flex")]
use firebrand_kernels::{Arch, reduce};

/// One step of AdamW: the updated parameter and its two updated moments (zeros before the first step).
pub fn adamw<const D: usize>(
    settings: AdamW,
    parameter: Tensor<D>,
    moments: [Tensor<D>; 2],
    gradient: Tensor<D>,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    #[cfg(feature = "flex")]
    if [&parameter, &moments[0], &moments[1], &gradient].into_iter().all(flex::is_supported) {
        let gradient = flex::read(gradient);
        return flex::update(parameter, moments, |p, moments| {
            settings.update(Arch::new(), p, moments, super::operation::slice(&gradient));
        });
    }
    let [first, second] = moments;
    let [beta1, beta2] = settings.betas;
    let gradient = gradient * settings.gradient_scale;
    let first = first * beta1 + gradient.clone() * (1.0 - beta1);
    let second = second * beta2 + gradient.powi_scalar(2) * (1.0 - beta2);
    let correction = |beta: f64| 1.0 - beta.powf(settings.step as f64);
    let below = (second.clone() / correction(beta2)).sqrt() + settings.epsilon;
    let change = first.clone() / below * (settings.learning_rate / correction(beta1));
    let parameter = parameter * (1.0 - settings.learning_rate * settings.weight_decay) - change;
    (parameter, [first, second])
}

/// The same for a table, `[rows, width]`, with a row-sparse gradient; see [`AdamW::update_rows`] for `touched`.
pub fn adamw_rows(
    settings: AdamW,
    table: Tensor<2>,
    moments: [Tensor<2>; 2],
    gradient: &SparseRows,
    touched: &mut [bool],
) -> (Tensor<2>, [Tensor<2>; 2]) {
    #[cfg(feature = "flex")]
    if [&table, &moments[0], &moments[1]].into_iter().all(flex::is_supported) {
        return flex::update(table, moments, |p, moments| {
            settings.update_rows(Arch::new(), p, moments, gradient, touched);
        });
    }
    for &row in &gradient.rows {
        touched[row as usize] = true;
    }
    let dense = Tensor::zeros(table.dims(), (&table.device(), table.dtype()));
    adamw(settings, table, moments, add_rows(dense, gradient))
}

/// A table, `[rows, width]`, plus a row-sparse gradient.
pub fn add_rows(table: Tensor<2>, gradient: &SparseRows) -> Tensor<2> {
    if gradient.rows.is_empty() {
        return table;
    }
    let (device, [_, width], count) = (table.device(), table.dims(), gradient.rows.len());
    let rows: Vec<i64> = gradient.rows.iter().map(|&row| i64::from(row)).collect();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device);
    let values = TensorData::new(gradient.values.clone(), [count, width]);
    let values = Tensor::from_data(values, (&device, table.dtype()));
    table.select_assign(0, rows, values, IndexingUpdateOp::Add)
}

/// The sum of squares, for the global gradient norm.
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> f64 {
    #[cfg(feature = "flex")]
    if flex::is_supported(&x) {
        return reduce::sum_of_squares(Arch::new(), super::operation::slice(&flex::read(x)));
    }
    x.powi_scalar(2).sum().into_data().iter::<f64>().sum()
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::backend::{BackendTensor, DispatchTensorKind, Flex};
    use burn::tensor::Tensor;

    use crate::operation::{self, contiguous, writable};

    pub(super) fn is_supported<const D: usize>(tensor: &Tensor<D>) -> bool {
        operation::is_supported(tensor) && !tensor.device().is_autodiff()
    }

    pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
        contiguous(primitive(tensor))
    }

    fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
        match tensor.into_dispatch().kind {
            DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
            kind => unreachable!("callers check `is_supported`: {kind:?}"),
        }
    }

    pub(super) fn update<const D: usize>(
        parameter: Tensor<D>,
        moments: [Tensor<D>; 2],
        change: impl FnOnce(&mut [f32], [&mut [f32]; 2]),
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let mut parameter = writable(primitive(parameter));
        let [mut first, mut second] = moments.map(|moment| writable(primitive(moment)));
        change(parameter.storage_mut(), [first.storage_mut(), second.storage_mut()]);
        let [parameter, first, second] = [parameter, first, second].map(Tensor::from_primitive::<Flex>);
        (parameter, [first, second])
    }
}
