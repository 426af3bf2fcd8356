//! Embedding lookup and its row-sparse gradients.

use crate::support::{close, devices, numbers};
use burn::tensor::{Device, Int, Tensor, module};
use firebrand_fused::{RowGradients, add_rows, embedding};

fn ids(device: &Device) -> Tensor<2, Int> {
    Tensor::from_data([[3, 0, 7, 3], [3, 5, 0, 9]], device)
}

/// The gradient of a table, from either place.
fn gradient(table: &Tensor<2>, loss: &Tensor<1>, rows: &RowGradients) -> (Tensor<2>, bool) {
    let mut gradients = loss.backward();
    let dense = table.grad_remove(&mut gradients);
    let Some(found) = rows.remove(table) else { return (dense.unwrap(), false) };
    assert!(rows.remove(table).is_none());
    let zeros = || Tensor::zeros(table.dims(), &table.device().inner());
    (add_rows(dense.unwrap_or_else(zeros), &found), true)
}

#[test]
fn a_tables_gradient_is_row_sparse_on_flex_and_dense_elsewhere() {
    for (device, sparse) in devices().into_iter().zip([true, true, false]) {
        let table = numbers([11, 37], 1, &device).require_grad();
        let other = numbers([11, 37], 4, &device).require_grad();
        let (ids, weights) = (ids(&device), numbers([2, 4, 37], 2, &device));
        // Twice in one table, whose elements are also used themselves, and once in another.
        let loss = |look_up: fn(Tensor<2>, Tensor<2, Int>) -> Tensor<3>| {
            let once = look_up(table.clone(), ids.clone());
            let again = look_up(table.clone(), ids.clone().add_scalar(1)) * look_up(other.clone(), ids.clone());
            (once * weights.clone() + again).sum() + table.clone().powi_scalar(2).sum()
        };
        let none = RowGradients::default();
        let (plain, found) = (loss(module::embedding), none.within(|| loss(embedding)));
        close(&found, &plain);
        for table in [&table, &other] {
            let rows = RowGradients::default();
            let (expected, _) = gradient(table, &loss(module::embedding), &none);
            let (found, of_rows) = gradient(table, &rows.within(|| loss(embedding)), &rows);
            assert_eq!(of_rows, sparse);
            close(&found, &expected);
            // Nothing collects row-sparse gradients.
            let (found, of_rows) = gradient(table, &loss(embedding), &rows);
            assert!(!of_rows);
            close(&found, &expected);
        }
    }
}

#[test]
fn a_frozen_table_has_no_gradient() {
    for device in devices() {
        let table = numbers([11, 37], 1, &device);
        let (rows, weights) = (RowGradients::default(), numbers([2, 4, 37], 2, &device).require_grad());
        let looked_up = rows.within(|| embedding(table.clone(), ids(&device)));
        let gradients = (looked_up.clone() * weights.clone()).sum().backward();
        close(&weights.grad(&gradients).unwrap(), &looked_up.inner());
        assert!(rows.remove(&table).is_none());
    }
}
