//! Writing a network's parameters under their family's names.

use std::collections::HashMap;
use std::path::Path;

use super::layout::Layout;
use super::tensor::FloatTensor;
use super::write_safetensors;
use crate::{ModelConfig, ModelError};

/// A tensor of a family's file, and the parameters that it consists of.
#[derive(Debug)]
pub(super) struct StoredTensor {
    pub(super) name: String,
    /// The shape in the file.
    pub(super) shape: Vec<usize>,
    pub(super) layout: Layout,
    /// Its parameters, all of one shape, by path.
    pub(super) parts: Vec<(String, FloatTensor)>,
}

impl StoredTensor {
    /// The tensor in the file's layout.
    pub(super) fn into_tensor(self) -> FloatTensor {
        let ours = self.parts.first().map(|(_, part)| part.shape.clone()).unwrap_or_default();
        let stored = |(_, part): (String, FloatTensor)| self.layout.to_stored(part.values, &ours);
        let parts: Vec<_> = self.parts.into_iter().map(stored).collect();
        FloatTensor::new(self.layout.fuse(parts, &ours), self.shape)
    }
}

/// Every one of these parameters in the family's layout, in their order. Errors mention `path`.
pub(super) fn stored_tensors(
    path: &Path,
    config: &ModelConfig,
    parameters: Vec<(String, FloatTensor)>,
) -> Result<Vec<StoredTensor>, ModelError> {
    let (rules, heads) = (config.rules(), config.network.encoder.layer.attention.heads);
    let mut tensors: Vec<StoredTensor> = Vec::new();
    let mut places = HashMap::new();
    for (ours, parameter) in parameters {
        let hub = rules.hub(&ours).ok_or_else(|| ModelError::Tensors {
            path: path.to_owned(),
            problem: format!("`{ours}` has no name in this family's table"),
        })?;
        let place = *places.entry(hub.name.clone()).or_insert_with(|| {
            tensors.push(StoredTensor {
                name: hub.name,
                shape: hub.layout.stored_shape(&parameter.shape, heads),
                layout: hub.layout,
                parts: Vec::new(),
            });
            tensors.len() - 1
        });
        tensors[place].parts.push((ours, parameter));
    }
    // The network may list the parts of a fused tensor in another order than the file.
    for tensor in &mut tensors {
        tensor.parts.sort_by_key(|(ours, _)| rules.hub(ours).and_then(|hub| hub.layout.part));
    }
    Ok(tensors)
}

/// Writes a network's parameters, each with its path, as `model.safetensors`, under the family's names.
///
/// # Errors
/// [`ModelError::Io`] when the system refuses; [`ModelError::Tensors`] when the model has no parameter of one of the paths, or
/// values do not fit their shape.
pub fn save_parameters(
    path: &Path,
    config: &ModelConfig,
    parameters: Vec<(String, FloatTensor)>,
) -> Result<(), ModelError> {
    let tensors: Vec<_> = stored_tensors(path, config, parameters)?
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor.into_tensor()))
        .collect();
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
    // transformers checks this before it loads a file.
    write_safetensors(path, views, HashMap::from([("format".to_owned(), "pt".to_owned())]))
}
