//! Embedding tables: looked-up rows, and a gradient of those rows only.

use std::mem::MaybeUninit;

use pulp::Arch;
use rayon::prelude::*;

use crate::reduce;
use crate::simd::add;
use crate::uninit::written;

/// The non-zero rows of a table's gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// Row indices, ascending.
    pub rows: Vec<u32>,
    /// Their gradients, one after another.
    pub values: Vec<f32>,
}

impl SparseRows {
    /// The sum of squares of all elements.
    pub fn sum_of_squares(&self) -> f64 {
        reduce::sum_of_squares(Arch::new(), &self.values)
    }

    /// The sum of two gradients of tables of the same width.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let width = |part: &Self| part.values.len().checked_div(part.rows.len()).unwrap_or(0);
        let width = width(&self).max(width(&other));
        gradient(Arch::new(), &[self.rows, other.rows].concat(), &[self.values, other.values].concat(), width)
    }
}

/// The rows of a table, `width` wide, with these ids.
///
/// # Panics
/// When the table has no such row.
pub fn look_up(ids: &[u32], table: &[f32], width: usize) -> Vec<f32> {
    let write = |[rows]: [&mut [MaybeUninit<f32>]; 1]| {
        rows.par_chunks_mut(width.max(1)).with_min_len(64).zip(ids).for_each(|(row, &id)| {
            row.write_copy_of_slice(&table[id as usize * width..][..width]);
        });
    };
    // SAFETY: there is an id for each row, and each row is written.
    let [rows] = unsafe { written([ids.len() * width], write) };
    rows
}

/// Adds up the gradients of looked-up rows: `gradient` holds `width` numbers for each of `ids`.
///
/// Equal ids are added in the order in which they occur, so the sums are the same for any number of threads.
pub fn gradient(arch: Arch, ids: &[u32], gradient: &[f32], width: usize) -> SparseRows {
    let mut places: Vec<(u32, u32)> = ids.iter().enumerate().map(|(place, &id)| (id, place as u32)).collect();
    places.sort_unstable();
    let groups: Vec<&[(u32, u32)]> = places.chunk_by(|one, next| one.0 == next.0).collect();
    let mut values = vec![0.0; groups.len() * width];
    values.par_chunks_mut(width.max(1)).with_min_len(16).zip(&groups).for_each(|(sums, group)| {
        for &(_, place) in *group {
            add_row(arch, &gradient[place as usize * width..][..width], sums);
        }
    });
    SparseRows { rows: groups.iter().map(|group| group[0].0).collect(), values }
}

kernel! { fn add_row<'a>(x: &'a [f32], sums: &'a mut [f32]) -> () = add }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arches, close, numbers};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_dense_gradient(ids in prop::collection::vec(0u32..40, 0..200), width in 1usize..40, seed: u64) {
            let g = numbers(ids.len() * width, seed);
            let mut dense = vec![0.0; 40 * width];
            for (place, &id) in ids.iter().enumerate() {
                for column in 0..width {
                    dense[id as usize * width + column] += f64::from(g[place * width + column]);
                }
            }
            for arch in arches() {
                let sparse = gradient(arch, &ids, &g, width);
                prop_assert!(sparse.rows.is_sorted_by(|one, next| one < next));
                let mut found = vec![0.0; dense.len()];
                for (&row, values) in sparse.rows.iter().zip(sparse.values.chunks(width)) {
                    prop_assert!(ids.contains(&row));
                    found[row as usize * width..][..width].copy_from_slice(values);
                }
                close(&found, &dense, 1e-5)?;
            }
        }

        #[test]
        fn parts_add_up(ids in prop::collection::vec(0u32..40, 0..50), cut in 0usize..50, width in 1usize..20, seed: u64) {
            let g: Vec<f32> = numbers(ids.len() * width, seed).into_iter().map(|x| (x * 64.0).round()).collect();
            let cut = cut.min(ids.len());
            let part = |ids: &[u32], g: &[f32]| gradient(Arch::new(), ids, g, width);
            let sum = part(&ids[..cut], &g[..cut * width]).plus(part(&ids[cut..], &g[cut * width..]));
            // Whole numbers, so that the order does not matter.
            prop_assert_eq!(sum, part(&ids, &g));
        }
    }
}
