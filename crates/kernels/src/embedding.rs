//! The gradient of an embedding table, where rows occur only.

use pulp::{Arch, Simd};
use rayon::prelude::*;

/// Rows of a table's gradient that are not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// Which rows, ascending.
    pub rows: Vec<u32>,
    /// Their gradients, one after another.
    pub values: Vec<f32>,
}

/// Adds up the gradients of looked-up rows: `gradient` holds `width` numbers for each of `ids`.
///
/// Equal ids are added in the order in which they occur, so the sums are the same for any number of threads.
pub fn gradient(arch: Arch, ids: &[u32], gradient: &[f32], width: usize) -> SparseRows {
    let mut places: Vec<(u32, u32)> = ids.iter().enumerate().map(|(place, &id)| (id, place as u32)).collect();
    places.sort_unstable();
    let groups: Vec<&[(u32, u32)]> = places.chunk_by(|one, next| one.0 == next.0).collect();
    let mut values = vec![0.0; groups.len() * width];
    values.par_chunks_mut(width).with_min_len(16).zip(&groups).for_each(|(sums, group)| {
        for &(_, place) in *group {
            add(arch, &gradient[place as usize * width..][..width], sums);
        }
    });
    SparseRows { rows: groups.iter().map(|group| group[0].0).collect(), values }
}

kernel! { fn add<'a>(x: &'a [f32], sums: &'a mut [f32]) -> () = add_with }

#[inline(always)]
fn add_with<S: Simd>(simd: S, x: &[f32], sums: &mut [f32]) {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (sums, sums_tail) = S::as_mut_simd_f32s(sums);
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = simd.add_f32s(*sum, x);
    }
    for (sum, x) in sums_tail.iter_mut().zip(x_tail) {
        *sum += x;
    }
}

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
    }
}
