//! AdamW ([arXiv 1711.05101](https://arxiv.org/abs/1711.05101)), with the semantics of `torch.optim.AdamW`.

use pulp::{Arch, Simd};
use rayon::prelude::*;

use crate::embedding::SparseRows;
use crate::simd::{TASK, rows_per_task};

/// One step's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Decay rates of the running means of the gradient and of its square.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay: before the update, parameters are multiplied by 1 minus this times the learning rate.
    pub weight_decay: f64,
    /// The number of this step, counted from 1.
    pub step: u64,
    /// Factor of the gradients: from clipping, or for the mean over accumulated batches.
    pub gradient_scale: f32,
}

/// The settings of a step in the form the loops need.
#[derive(Clone, Copy)]
struct Factors {
    keep: f32,
    one_minus: [f32; 2],
    beta2: f32,
    root: f32,
    epsilon: f32,
    size: f32,
    scale: f32,
}

impl AdamW {
    fn factors(self) -> Factors {
        let [beta1, beta2] = self.betas;
        let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
        Factors {
            keep: (1.0 - self.learning_rate * self.weight_decay) as f32,
            one_minus: [(1.0 - beta1) as f32, (1.0 - beta2) as f32],
            beta2: beta2 as f32,
            root: (1.0 / correction(beta2).sqrt()) as f32,
            epsilon: self.epsilon as f32,
            size: (self.learning_rate / correction(beta1)) as f32,
            scale: self.gradient_scale,
        }
    }

    /// Updates parameters and their two moments (zero before the first step).
    pub fn update(self, arch: Arch, parameters: &mut [f32], moments: [&mut [f32]; 2], gradient: &[f32]) {
        let factors = self.factors();
        let [first, second] = moments;
        let moments = first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK));
        let tasks = parameters.par_chunks_mut(TASK).zip(moments).zip(gradient.par_chunks(TASK));
        tasks.for_each(|((p, (m, v)), g)| update_task(arch, factors, p, m, v, Some(g)));
    }

    /// The same for an embedding table, most of whose rows have no gradient in a step.
    ///
    /// The result equals that of [`AdamW::update`] with the dense gradient: the moments of a row without gradient decay and
    /// still move it. A row that never had a gradient has zero moments and changes by weight decay only, so without decay it is
    /// not read. `touched` records which rows have had one: one entry per row, `false` before the first step.
    pub fn update_rows(
        self,
        arch: Arch,
        parameters: &mut [f32],
        moments: [&mut [f32]; 2],
        gradient: &SparseRows,
        touched: &mut [bool],
    ) {
        let factors = self.factors();
        let Some(width) = parameters.len().checked_div(touched.len()).filter(|&width| width > 0) else { return };
        let [first, second] = moments;
        let (rows, task) = (rows_per_task(width), rows_per_task(width) * width);
        let moments = first.par_chunks_mut(task).zip(second.par_chunks_mut(task));
        let tasks = parameters.par_chunks_mut(task).zip(moments).zip(touched.par_chunks_mut(rows)).enumerate();
        tasks.for_each(|(index, ((p, (m, v)), touched))| {
            let start = (index * rows) as u32;
            let mut next = gradient.rows.partition_point(|&row| row < start);
            for (row, touched) in touched.iter_mut().enumerate() {
                let places = row * width..(row + 1) * width;
                let (p, m, v) = (&mut p[places.clone()], &mut m[places.clone()], &mut v[places]);
                let mut g = None;
                if gradient.rows.get(next) == Some(&(start + row as u32)) {
                    g = Some(&gradient.values[next * width..(next + 1) * width]);
                    *touched = true;
                    next += 1;
                }
                if *touched {
                    update_task(arch, factors, p, m, v, g);
                } else if factors.keep != 1.0 {
                    p.iter_mut().for_each(|p| *p *= factors.keep);
                }
            }
        });
    }
}

/// The factor that clips gradients of this norm to `largest`, as in `torch.nn.utils.clip_grad_norm_`. NaN for a norm of NaN.
pub fn clip_factor(norm: f64, largest: f64) -> f64 {
    let factor = largest / (norm + 1e-6);
    // Not `min`, which would turn NaN into 1.
    if factor > 1.0 { 1.0 } else { factor }
}

kernel! {
    fn update_task<'a>(factors: Factors, p: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32], g: Option<&'a [f32]>) -> ()
        = update_with
}

#[inline(always)]
fn update_with<S: Simd>(simd: S, factors: Factors, p: &mut [f32], m: &mut [f32], v: &mut [f32], g: Option<&[f32]>) {
    let count = p.len() / S::F32_LANES * S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    let ((p, p_tail), (m, m_tail)) = (S::as_mut_simd_f32s(p), S::as_mut_simd_f32s(m));
    let (v, v_tail) = S::as_mut_simd_f32s(v);
    match g {
        Some(g) => {
            for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(S::as_simd_f32s(g).0) {
                (*p, *m, *v) = element(simd, factors, *p, *m, *v, g);
            }
        }
        None => {
            for ((p, m), v) in p.iter_mut().zip(m).zip(v) {
                (*p, *m, *v) = element(simd, factors, *p, *m, *v, zero);
            }
        }
    }
    if !p_tail.is_empty() {
        let g = g.map_or(zero, |g| simd.partial_load_f32s(&g[count..]));
        let [p, m, v] = [&*p_tail, &*m_tail, &*v_tail].map(|tail| simd.partial_load_f32s(tail));
        let (p, m, v) = element(simd, factors, p, m, v, g);
        simd.partial_store_f32s(p_tail, p);
        simd.partial_store_f32s(m_tail, m);
        simd.partial_store_f32s(v_tail, v);
    }
}

#[inline(always)]
fn element<S: Simd>(
    simd: S,
    factors: Factors,
    p: S::f32s,
    m: S::f32s,
    v: S::f32s,
    g: S::f32s,
) -> (S::f32s, S::f32s, S::f32s) {
    let splat = |value: f32| simd.splat_f32s(value);
    let g = simd.mul_f32s(g, splat(factors.scale));
    let m = simd.mul_add_e_f32s(splat(factors.one_minus[0]), simd.sub_f32s(g, m), m);
    let v =
        simd.mul_add_e_f32s(simd.mul_f32s(g, splat(factors.one_minus[1])), g, simd.mul_f32s(v, splat(factors.beta2)));
    let below = simd.mul_add_e_f32s(simd.sqrt_f32s(v), splat(factors.root), splat(factors.epsilon));
    let change = simd.div_f32s(simd.mul_f32s(m, splat(factors.size)), below);
    (simd.sub_f32s(simd.mul_f32s(p, splat(factors.keep)), change), m, v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arches, close, doubles, numbers};
    use proptest::prelude::*;

    fn settings(step: u64, weight_decay: f64) -> AdamW {
        let (learning_rate, betas, epsilon) = (1e-3 / step as f64, [0.9, 0.999], 1e-8);
        AdamW { learning_rate, betas, epsilon, weight_decay, step, gradient_scale: 0.7 }
    }

    /// torch's formula, word for word, in double precision.
    fn reference(s: AdamW, p: &mut [f64], m: &mut [f64], v: &mut [f64], g: &[f64]) {
        for index in 0..p.len() {
            let g = g[index] * f64::from(s.gradient_scale);
            p[index] -= s.learning_rate * s.weight_decay * p[index];
            m[index] = s.betas[0] * m[index] + (1.0 - s.betas[0]) * g;
            v[index] = s.betas[1] * v[index] + (1.0 - s.betas[1]) * g * g;
            let m_hat = m[index] / (1.0 - s.betas[0].powi(s.step as i32));
            let v_hat = v[index] / (1.0 - s.betas[1].powi(s.step as i32));
            p[index] -= s.learning_rate * m_hat / (v_hat.sqrt() + s.epsilon);
        }
    }

    proptest! {
        #[test]
        fn steps_are_torchs(length in 1usize..80, seed: u64, decay in prop::sample::select(vec![0.0, 0.01, 0.5])) {
            for arch in arches() {
                let mut p = numbers(length, seed);
                let (mut m, mut v) = (vec![0.0; length], vec![0.0; length]);
                let (mut p64, mut m64, mut v64) = (doubles(&p), vec![0.0; length], vec![0.0; length]);
                for step in 1..6 {
                    let g = numbers(length, seed ^ step);
                    settings(step, decay).update(arch, &mut p, [&mut m, &mut v], &g);
                    reference(settings(step, decay), &mut p64, &mut m64, &mut v64, &doubles(&g));
                }
                close(&p, &p64, 1e-6)?;
                close(&m, &m64, 1e-6)?;
                close(&v, &v64, 1e-6)?;
            }
        }

        #[test]
        fn sparse_rows_end_where_the_dense_gradient_does(
            width in 1usize..40, seed: u64, steps in prop::collection::vec(prop::collection::btree_set(0u32..30, 0..9), 1..6),
            decay in prop::sample::select(vec![0.0, 0.1])
        ) {
            let length = 30 * width;
            let mut dense = [numbers(length, seed), vec![0.0; length], vec![0.0; length]];
            let mut sparse = dense.clone();
            let mut touched = [false; 30];
            for (step, rows) in steps.iter().enumerate() {
                let rows: Vec<u32> = rows.iter().copied().collect();
                let values = numbers(rows.len() * width, seed ^ step as u64);
                let mut gradient = vec![0.0; length];
                for (&row, values) in rows.iter().zip(values.chunks(width)) {
                    gradient[row as usize * width..][..width].copy_from_slice(values);
                }
                let settings = settings(step as u64 + 1, decay);
                let [p, m, v] = &mut dense;
                settings.update(Arch::new(), p, [m, v], &gradient);
                let [p, m, v] = &mut sparse;
                settings.update_rows(Arch::new(), p, [m, v], &SparseRows { rows, values }, &mut touched);
            }
            // To the bit.
            prop_assert_eq!(dense, sparse);
        }
    }

    #[test]
    fn clipping_scales_to_the_largest_norm_and_never_up() {
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert!(clip_factor(f64::NAN, 1.0).is_nan());
    }
}
