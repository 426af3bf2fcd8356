//! Exponential moving average of the parameters ([arXiv 1803.05407](https://arxiv.org/abs/1803.05407), after Polyak).

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

use crate::parameters::{self, MapParameters, VisitParameters};

/// Exponential moving average of a module's parameters over the steps of training.
#[derive(Debug, Clone)]
pub struct Ema {
    decay: f64,
    /// Values by parameter path.
    pub(crate) values: BTreeMap<String, TensorData>,
}

impl Ema {
    /// An average that starts from the current parameters.
    pub fn new<M: Module>(decay: f64, module: &M) -> Self {
        let mut ema = Self { decay, values: BTreeMap::new() };
        parameters::visit(module, &mut Visit { values: &mut ema.values, kept: 0.0 });
        ema
    }

    /// An average that continues from a checkpoint.
    pub(crate) fn from_values(decay: f64, values: BTreeMap<String, TensorData>) -> Self {
        Self { decay, values }
    }

    /// The weight of the previous average after so many steps. It is small at first, so that the start is soon forgotten
    /// (`num_updates` of TensorFlow's `ExponentialMovingAverage`).
    pub fn weight(&self, steps: u64) -> f64 {
        self.decay.min((1.0 + steps as f64) / (10.0 + steps as f64))
    }

    /// Adds the parameters after a step; `steps` includes it.
    pub fn update<M: Module>(&mut self, module: &M, steps: u64) {
        let kept = self.weight(steps);
        parameters::visit(module, &mut Visit { values: &mut self.values, kept: kept as f32 });
    }

    /// The module with the averaged parameters.
    #[must_use]
    pub fn averaged<M: Module>(&self, module: M) -> M {
        parameters::map(module, &mut Fill { values: &self.values })
    }
}

struct Visit<'a> {
    values: &'a mut BTreeMap<String, TensorData>,
    kept: f32,
}

impl VisitParameters for Visit<'_> {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let now = param.val().into_data();
        if let Some(average) = self.values.get_mut(path)
            && let (Ok(average), Ok(now)) = (average.as_mut_slice::<f32>(), now.as_slice::<f32>())
        {
            for (average, now) in average.iter_mut().zip(now) {
                // Exact for equal values: the average of a frozen parameter keeps its bytes.
                *average = now + self.kept * (*average - now);
            }
        } else {
            self.values.insert(path.to_owned(), now);
        }
    }
}

struct Fill<'a> {
    values: &'a BTreeMap<String, TensorData>,
}

impl MapParameters for Fill<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.values.get(path) else { return param };
        let (id, tensor, mapper) = param.consume();
        let filled = Tensor::from_data(values.clone(), &tensor.device());
        Param::from_mapped_value(id, filled, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Pair {
        weight: Param<Tensor<1>>,
    }

    fn pair(values: [f32; 2]) -> Pair {
        Pair { weight: Param::from_data(values, &Device::flex()) }
    }

    fn values(module: &Pair) -> Vec<f32> {
        module.weight.val().into_data().try_to_vec::<f32>().unwrap()
    }

    #[test]
    fn the_average_is_that_of_the_definition_and_leaves_the_module_alone() {
        let mut ema = Ema::new(0.9, &pair([1.0, -2.0]));
        assert_eq!([0, 1, 80, 81, 1000].map(|steps| ema.weight(steps)), [0.1, 2.0 / 11.0, 0.9, 0.9, 0.9]);
        let second = pair([3.0, -2.0]);
        // Step 1 keeps 2/11, step 1000 keeps 0.9.
        ema.update(&second, 1);
        let expected = 1.0 * 2.0 / 11.0 + 3.0 * 9.0 / 11.0;
        let found = values(&ema.averaged(second.clone()));
        assert!((found[0] - expected).abs() < 1e-6 && found[1] == -2.0, "{found:?}");
        ema.update(&pair([0.0, -2.0]), 1000);
        let found = values(&ema.averaged(second.clone()));
        assert!((found[0] - 0.9 * expected).abs() < 1e-6 && found[1] == -2.0, "{found:?}");
        assert_eq!(values(&second), [3.0, -2.0]);
    }
}
