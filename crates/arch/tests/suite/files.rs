//! The golden files, and what several tests do with files.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_arch::{FloatTensor, ModelError, Pretrained, SafetensorsFile, parameters, write_safetensors};

/// The directory of golden files, which are `model`'s.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden")
}

/// The golden model of this name.
pub(crate) fn model(name: &str) -> PathBuf {
    golden().join("models").join(name)
}

/// What a directory of golden files holds, in order.
pub(crate) fn entries(directory: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(golden().join(directory)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Every golden model.
pub(crate) fn models() -> Vec<PathBuf> {
    let models = entries("models");
    assert!(models.len() >= 15, "{models:?}");
    models
}

/// Every tensor of a safetensors file.
pub(crate) fn tensors(path: &Path) -> Vec<(String, FloatTensor)> {
    let file = SafetensorsFile::read(path).unwrap();
    file.shapes().into_keys().map(|name| (name.clone(), file.floats(&name).unwrap())).collect()
}

/// Writes a safetensors file.
pub(crate) fn write(path: &Path, tensors: &[(String, FloatTensor)]) {
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
    write_safetensors(path, views, Default::default()).unwrap();
}

/// Every parameter of a model, with its path.
pub(crate) fn read_parameters(model: &Pretrained) -> Result<Vec<(String, FloatTensor)>, ModelError> {
    let read = |(path, shape): (String, Vec<usize>)| {
        let values = model.parameter(&path, &shape)?;
        Ok((path, FloatTensor::new(values, shape)))
    };
    parameters(&model.config().network).into_iter().map(read).collect()
}

/// Loads a classifier as a whole: every parameter is read.
pub(crate) fn load(directory: &Path) -> Result<Vec<(String, FloatTensor)>, ModelError> {
    read_parameters(&Pretrained::open(directory)?)
}
