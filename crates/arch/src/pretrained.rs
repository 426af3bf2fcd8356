//! A classifier's directory in the hub's layout, opened for reading.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::checkpoint::Stored;
use crate::{HubConfig, LoadReport, ModelConfig, ModelError, StartFrom, StartHead, Weights};

/// A model in a directory of the hub's layout, with every tensor accounted for. Values are read on demand, by the paths of
/// [`parameters`](crate::parameters).
#[derive(Debug)]
pub struct Pretrained {
    hub: HubConfig,
    config: ModelConfig,
    stored: Stored<Weights>,
    report: LoadReport,
    /// For each label, its index in the stored output layer; `None` if they are the same.
    order: Option<Vec<usize>>,
}

impl Pretrained {
    /// Opens a fine-tuned classifier: `config.json`, and weights in any supported format. Every tensor must have its place, and
    /// every parameter its tensor, the head's included.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn open(directory: &Path) -> Result<Self, ModelError> {
        let (hub, config) = ModelConfig::read(directory)?;
        let (stored, report) = Stored::new(Weights::open(directory)?, &config, None)?;
        Ok(Self { hub, config, stored, report, order: None })
    }

    /// Opens a pretrained model that is to be trained on these labels.
    ///
    /// A head that the file already has is kept when its labels are the same by name, in whatever order, and is to be
    /// initialised otherwise; the report says which, and which tensors were left out.
    ///
    /// # Errors
    /// When a file is missing or damaged, the tensors do not fit the configuration, or the head cannot be kept and must be.
    pub fn start(directory: &Path, from: &StartFrom) -> Result<Self, ModelError> {
        let mut hub = HubConfig::read(directory)?;
        let output = from.output(&hub)?;
        if from.mean_pooling {
            hub.set(ModelConfig::POOLING, json!("mean"));
        }
        hub.set("problem_type", json!(from.problem));
        let config = ModelConfig::new(&from.with_dropout(&hub)?, Some(from.labels.clone()))?;
        hub.describe_classifier(&config);

        let (stored, report) = Stored::new(Weights::open(directory)?, &config, Some(&output))?;
        if from.head == StartHead::Keep && !report.new.is_empty() {
            let problem = format!("the head cannot be kept: the file lacks {}", report.new.join(", "));
            return Err(stored.problem(problem));
        }
        Ok(Self { hub, config, stored, report, order: output.into_order() })
    }

    /// What `config.json` says.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// `config.json` as it is to be saved with this model: with its labels, and as that of a classifier.
    pub fn hub(&self) -> &HubConfig {
        &self.hub
    }

    /// What became of the stored tensors and of the network's parameters.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// Whether the files have this parameter; otherwise it is one of a new head, to be initialised.
    pub fn has(&self, path: &str) -> bool {
        self.stored.has(path)
    }

    /// A parameter of this shape as float32, row-major. Weights of linear layers are `[inputs, outputs]`.
    ///
    /// # Errors
    /// When the files have no such parameter, its shape differs, they cannot be read, or a value is not finite.
    pub fn parameter(&self, path: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let values = self.stored.parameter(path, shape)?;
        Ok(match self.order_of(path) {
            Some(order) => reorder(&values, order, 1),
            None => values,
        })
    }

    /// The transpose of a parameter of this shape: of a linear layer's weight, `[outputs, inputs]`, which is how most files
    /// have it.
    ///
    /// # Errors
    /// As of [`parameter`](Self::parameter).
    pub fn parameter_transposed(&self, path: &str, shape: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        let values = self.stored.parameter_transposed(path, shape)?;
        Ok(match self.order_of(path) {
            Some(order) => reorder(&values, order, shape[0]),
            None => values,
        })
    }

    /// The file, and the range of its bytes, that are this parameter in little-endian float32, row-major and four-byte aligned:
    /// for mapping a large table of which few rows are read. `None` if the parameter is stored in another way (another type,
    /// transposed, fused with others, in torch's format), or the processor is not little-endian.
    ///
    /// Nobody has looked at the values: they may be NaN or infinite.
    pub fn mapped_range(&self, path: &str) -> Option<(PathBuf, Range<u64>)> {
        let as_it_is = cfg!(target_endian = "little") && self.order_of(path).is_none();
        as_it_is.then(|| self.stored.range(path)).flatten()
    }

    /// The order of the labels, if this is a parameter of an output layer whose labels are stored in another order.
    fn order_of(&self, path: &str) -> Option<&[usize]> {
        // A stored output layer has a place only if it is kept.
        self.order.as_deref().filter(|_| path.starts_with("head.output."))
    }
}

/// Reorders the labels of a row-major tensor, in which the `width` values of each lie together.
fn reorder(values: &[f32], order: &[usize], width: usize) -> Vec<f32> {
    let rows = values.chunks((order.len() * width).max(1));
    rows.flat_map(|row| order.iter().flat_map(move |&label| &row[label * width..][..width])).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_reordered_as_columns_and_as_rows() {
        let by_column = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(reorder(&by_column, &[2, 0, 1], 1), [3.0, 1.0, 2.0, 6.0, 4.0, 5.0]);
        assert_eq!(reorder(&by_column, &[2, 0, 1], 2), [5.0, 6.0, 1.0, 2.0, 3.0, 4.0]);
    }
}
