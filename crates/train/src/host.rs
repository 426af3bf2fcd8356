//! Loops over values in this process's memory.
//!
//! An operation on a CPU tensor is a pass over memory, and an update by tensor operations is fifteen of them over every
//! parameter: more than half of a short batch's step. These loops read and write each value once.

use burn::tensor::Device;

/// Whether a device's tensors lie in this process's memory.
pub(crate) fn on_host(device: &Device) -> bool {
    ["flex", "ndarray"].iter().any(|name| firebrand_model::device(name).is_ok_and(|host| host == *device))
}

/// The sum of all squares: float32 in short runs, float64 between them.
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    values
        .chunks(1024)
        .map(|run| {
            let (blocks, rest) = run.as_chunks::<LANES>();
            let mut sums = [0.0f32; LANES];
            for block in blocks {
                for (sum, value) in sums.iter_mut().zip(block) {
                    *sum += value * value;
                }
            }
            let rest: f32 = rest.iter().map(|value| value * value).sum();
            f64::from(sums.iter().sum::<f32>() + rest)
        })
        .sum()
}

/// The numbers of one update of AdamW.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) epsilon: f64,
    /// What a gradient is multiplied with first.
    pub(crate) scale: f64,
    /// What a parameter is multiplied with: decay.
    pub(crate) kept: f64,
    /// The learning rate over the mean's bias correction.
    pub(crate) step_size: f64,
    /// The root of the mean square's bias correction.
    pub(crate) root: f64,
}

impl Update {
    /// Moves the parameters and their moments, all of one length.
    pub(crate) fn apply(&self, parameters: &mut [f32], gradients: &[f32], means: &mut [f32], squares: &mut [f32]) {
        let (beta1, rest1) = (self.beta1 as f32, (1.0 - self.beta1) as f32);
        let (beta2, rest2) = (self.beta2 as f32, (1.0 - self.beta2) as f32);
        let (epsilon, scale, kept) = (self.epsilon as f32, self.scale as f32, self.kept as f32);
        let (step_size, root) = (self.step_size as f32, (1.0 / self.root) as f32);
        let moments = means.iter_mut().zip(squares);
        for ((parameter, gradient), (mean, square)) in parameters.iter_mut().zip(gradients).zip(moments) {
            let gradient = gradient * scale;
            *mean = *mean * beta1 + gradient * rest1;
            *square = *square * beta2 + gradient * gradient * rest2;
            *parameter = *parameter * kept - step_size * *mean / (square.sqrt() * root + epsilon);
        }
    }
}
