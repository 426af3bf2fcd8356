//! Checkpoints: what an interrupted run goes on from, bit for bit.
//!
//! ```text
//! checkpoints/best-40.safetensors           the parameters with the lowest validation loss, as of step 40
//! checkpoints/step-60/state.json            how far training has come
//! checkpoints/step-60/model.safetensors     the parameters, by path
//! checkpoints/step-60/moments.safetensors   what AdamW remembers
//! ```
//!
//! A checkpoint is written into `step-60.tmp`, flushed to the disk and renamed, so it is whole or not there. Only the newest
//! is kept. Random numbers need no place in it: they are functions of seed and step.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use firebrand_model::{
    Classifier, ModelError, Network, ParameterSource, SafetensorsFile, named_parameters, write_safetensors,
};
use firebrand_pipeline::{Error, Result, ResultExt, read_json};
use serde::{Deserialize, Serialize};

use crate::AdamW;
use crate::adamw::Moments;
use crate::state::State;

/// The directory of checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    directory: PathBuf,
}

/// What a checkpoint holds.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) state: State,
    pub(crate) network: Network,
    pub(crate) moments: BTreeMap<String, Moments>,
    /// The parameters of the best epoch, where they are kept.
    pub(crate) best: Option<Network>,
}

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    state: State,
    /// File of the best parameters, beside the checkpoint's directory.
    best: Option<String>,
    /// Steps that each parameter had a gradient in.
    gradient_steps: BTreeMap<String, u64>,
}

impl Checkpoints {
    /// Checkpoints in this directory, which need not exist yet.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes a checkpoint, and then removes what it replaces.
    pub(crate) fn write(
        &self,
        state: &State,
        network: &Network,
        optimizer: &AdamW,
        best: Option<&Network>,
    ) -> Result<()> {
        let name = format!("step-{}", state.step);
        let temporary = self.directory.join(format!("{name}.tmp"));
        remove_dir(&temporary)?;
        fs::create_dir_all(&temporary).map_err(|error| Error::io("create", &temporary, &error))?;

        let best = match (state.best(), best) {
            (Some(epoch), Some(network)) => Some((format!("best-{}.safetensors", epoch.step), network)),
            _ => None,
        };
        if let Some((file, network)) = &best {
            let path = self.directory.join(file);
            // Appears under this name only when it is whole, and one step has one set of parameters.
            if !path.exists() {
                write_tensors(&path, &named_parameters(*network))?;
            }
        }
        write_tensors(&temporary.join("model.safetensors"), &named_parameters(network))?;
        let mut moments = Vec::with_capacity(2 * optimizer.moments.len());
        for (path, Moments { mean, square, .. }) in &optimizer.moments {
            moments.push((format!("mean.{path}"), mean.to_data()));
            moments.push((format!("square.{path}"), square.to_data()));
        }
        write_tensors(&temporary.join("moments.safetensors"), &moments)?;
        let file = StateFile {
            state: state.clone(),
            best: best.map(|(file, _)| file),
            gradient_steps: optimizer.moments.iter().map(|(path, moments)| (path.clone(), moments.steps)).collect(),
        };
        let text = serde_json::to_string_pretty(&file).or_other(|| "cannot write the training state".to_owned())?;
        let path = temporary.join("state.json");
        fs::write(&path, text).and_then(|()| flush(&path)).map_err(|error| Error::io("write", &path, &error))?;

        let finished = self.directory.join(&name);
        remove_dir(&finished)?;
        flush_dir(&temporary);
        fs::rename(&temporary, &finished).map_err(|error| Error::io("rename", &temporary, &error))?;
        flush_dir(&self.directory);
        self.prune(&name, file.best.as_deref())
    }

    /// The newest checkpoint, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or does not fit the classifier.
    pub(crate) fn latest(&self, classifier: &Classifier) -> Result<Option<Checkpoint>> {
        let names = names(&self.directory)?;
        let newest =
            names.iter().filter_map(|name| Some((name.strip_prefix("step-")?.parse::<u64>().ok()?, name))).max();
        let Some((_, name)) = newest else { return Ok(None) };
        let directory = self.directory.join(name);
        self.read(&directory, classifier).map(Some).map_err(|error| {
            error.context(format!("cannot go on from the checkpoint {}", directory.display())).hint(format!(
                "remove {} and run the same command: training then starts from the beginning",
                self.directory.display()
            ))
        })
    }

    fn read(&self, directory: &Path, classifier: &Classifier) -> Result<Checkpoint> {
        let file: StateFile = read_json(&directory.join("state.json"))?;
        let network = read_network(&directory.join("model.safetensors"), classifier)?;
        let best = match &file.best {
            // A name, never a path: the file says what to read, not where.
            Some(name) => {
                let name = Path::new(name).file_name().unwrap_or_default();
                Some(read_network(&self.directory.join(name), classifier)?)
            }
            None => None,
        };
        let tensors = open(&directory.join("moments.safetensors"))?;
        let device = classifier.device().inner();
        let mut moments = BTreeMap::new();
        for (path, steps) in file.gradient_steps {
            let moment = |kind: &str| -> Result<Tensor<1>> {
                let data = tensors
                    .floats(&format!("{kind}.{path}"))
                    .or_data(|| "what AdamW remembers is not whole".to_owned())?;
                Ok(Tensor::from_data(data, &device))
            };
            let (mean, square) = (moment("mean")?, moment("square")?);
            moments.insert(path, Moments { steps, mean, square });
        }
        Ok(Checkpoint { state: file.state, network, moments, best })
    }

    /// Removes every checkpoint but one, and every file of best parameters that it does not name.
    fn prune(&self, kept: &str, best: Option<&str>) -> Result<()> {
        for name in names(&self.directory)? {
            let path = self.directory.join(&name);
            if name == kept || Some(name.as_str()) == best {
                continue;
            }
            if path.is_dir() {
                remove_dir(&path)?;
            } else {
                fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error))?;
            }
        }
        Ok(())
    }

    /// Removes all checkpoints: a finished stage needs none.
    pub(crate) fn remove(&self) -> Result<()> {
        remove_dir(&self.directory)
    }
}

/// The names in a directory, sorted; none when there is no such directory.
fn names(directory: &Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| Error::io("list", directory, &error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

fn write_tensors(path: &Path, tensors: &[(String, TensorData)]) -> Result<()> {
    write_safetensors(path, tensors, HashMap::new()).map_err(|error| {
        let failed = Error::other("cannot write a checkpoint").caused_by(&error);
        failed.hint("a checkpoint takes four times the size of the model")
    })
}

fn flush(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a rename last through a power failure where the system can.
fn flush_dir(path: &Path) {
    if cfg!(unix) {
        // A file system that cannot flush a directory still has the rename in order.
        let _ = flush(path);
    }
}

fn open(path: &Path) -> Result<SafetensorsFile> {
    SafetensorsFile::read(path).or_data(|| "a tensor file of the checkpoint is damaged".to_owned())
}

/// A network of the classifier's shape with the parameters of a file, by path.
fn read_network(path: &Path, classifier: &Classifier) -> Result<Network> {
    struct Source {
        file: SafetensorsFile,
        device: Device,
    }
    impl ParameterSource for Source {
        fn data(&mut self, path: &str, shape: &[usize]) -> std::result::Result<TensorData, ModelError> {
            let data = self.file.floats(path)?;
            if data.shape()[..] != *shape {
                return Err(ModelError::Tensors {
                    path: self.file.path().to_owned(),
                    problem: format!("`{path}` has shape {:?}, the model asks for {shape:?}", data.shape()),
                });
            }
            Ok(data)
        }
        fn device(&self) -> &Device {
            &self.device
        }
    }
    let mut source = Source { file: open(path)?, device: classifier.device() };
    Network::new(&mut source, &classifier.config().network)
        .or_data(|| "the checkpoint does not fit the pretrained model".to_owned())
}
