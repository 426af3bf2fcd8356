//! Checkpoints: what an interrupted run goes on from, bit for bit.
//!
//! ```text
//! checkpoints/best-40.safetensors           the parameters of one of the best validations, that after step 40
//! checkpoints/step-60/state.json            how far training has come
//! checkpoints/step-60/model.safetensors     the parameters, by path
//! checkpoints/step-60/moments.safetensors   what AdamW remembers, but after the last step
//! checkpoints/step-60/average.safetensors   the moving average of the parameters, where there is one
//! checkpoints/step-60/lora.safetensors      the low-rank updates, where there are such
//! ```
//!
//! A checkpoint is written into `step-60.tmp`, flushed to the disk and renamed, so it is whole or not there. Only the newest
//! is kept. Random numbers need no place in it: they are functions of seed and step.

pub(crate) mod state;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use firebrand_model::{
    Classifier, ModelError, Network, ParameterSource, SafetensorsFile, named_parameters, write_safetensors,
};
use firebrand_pipeline::{Error, Result, ResultExt, read_json};
use serde::{Deserialize, Serialize};

use crate::checkpoint::state::State;
use crate::optimiser::adamw::Moments;
use crate::{AdamW, Lora};

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
    /// The moving average of the parameters, where there is one.
    pub(crate) average: Option<BTreeMap<String, TensorData>>,
    /// The low-rank updates, where there are such.
    pub(crate) lora: BTreeMap<String, TensorData>,
}

/// What is written into a checkpoint.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    pub(crate) state: &'a State,
    pub(crate) network: &'a Network,
    pub(crate) optimizer: &'a AdamW,
    pub(crate) average: Option<&'a BTreeMap<String, TensorData>>,
    pub(crate) lora: Option<&'a Lora>,
    /// The steps of the validations whose parameters are kept.
    pub(crate) kept: &'a [u64],
    /// The parameters that were validated after this very step.
    pub(crate) validated: Option<&'a Network>,
    /// Whether this was the last step, after which nobody asks what AdamW remembers.
    pub(crate) last: bool,
}

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    state: State,
    /// The steps of the validations whose parameters lie beside the checkpoint's directory.
    kept: Vec<u64>,
    /// Whether there is a moving average.
    average: bool,
    /// Whether there are low-rank updates.
    lora: bool,
    /// Steps that each parameter had a gradient in.
    gradient_steps: BTreeMap<String, u64>,
}

impl Checkpoints {
    /// Checkpoints in this directory, which need not exist yet.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes a checkpoint, and then removes what it replaces.
    pub(crate) fn write(&self, snapshot: &Snapshot<'_>) -> Result<()> {
        let Snapshot { state, network, optimizer, average, lora, kept, validated, last } = *snapshot;
        let name = format!("step-{}", state.step);
        let temporary = self.directory.join(format!("{name}.tmp"));
        remove_dir(&temporary)?;
        fs::create_dir_all(&temporary).map_err(|error| Error::io("create", &temporary, &error))?;

        let model = temporary.join("model.safetensors");
        write_tensors(&model, &named_parameters(network))?;
        if let Some(validated) = validated.filter(|_| kept.contains(&state.step)) {
            let path = self.directory.join(best_file(state.step));
            // Without an average it is the same parameters: a second name for the file, where the system gives it one.
            let linked = average.is_none() && fs::hard_link(&model, &path).is_ok();
            // Appears under this name only when it is whole, and one step has one set of parameters.
            if !linked && !path.exists() {
                write_tensors(&path, &named_parameters(validated))?;
            }
        }
        if let Some(average) = average {
            let tensors: Vec<_> = average.iter().map(|(path, values)| (path.clone(), values.clone())).collect();
            write_tensors(&temporary.join("average.safetensors"), &tensors)?;
        }
        if let Some(lora) = lora {
            write_tensors(&temporary.join("lora.safetensors"), &lora.values().into_iter().collect::<Vec<_>>())?;
        }
        let remembered = || optimizer.moments.iter().filter(|_| !last);
        let mut moments = Vec::with_capacity(2 * optimizer.moments.len());
        for (path, Moments { mean, square, .. }) in remembered() {
            moments.push((format!("mean.{path}"), mean.to_data()));
            moments.push((format!("square.{path}"), square.to_data()));
        }
        if !moments.is_empty() {
            write_tensors(&temporary.join("moments.safetensors"), &moments)?;
        }
        let file = StateFile {
            state: state.clone(),
            kept: kept.to_vec(),
            average: average.is_some(),
            lora: lora.is_some(),
            gradient_steps: remembered().map(|(path, moments)| (path.clone(), moments.steps)).collect(),
        };
        let text = serde_json::to_string_pretty(&file).or_other(|| "cannot write the training state".to_owned())?;
        let path = temporary.join("state.json");
        fs::write(&path, text).and_then(|()| flush(&path)).map_err(|error| Error::io("write", &path, &error))?;

        let finished = self.directory.join(&name);
        remove_dir(&finished)?;
        flush_dir(&temporary);
        fs::rename(&temporary, &finished).map_err(|error| Error::io("rename", &temporary, &error))?;
        flush_dir(&self.directory);
        self.prune(&name, kept)
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
        if let Some(lost) =
            file.kept.iter().map(|&step| best_file(step)).find(|file| !self.directory.join(file).exists())
        {
            return Err(Error::data(format!("{lost} is missing")));
        }
        let average = file.average.then(|| read_values(&directory.join("average.safetensors"))).transpose()?;
        let lora = file.lora.then(|| read_values(&directory.join("lora.safetensors"))).transpose()?.unwrap_or_default();
        let moments = read_moments(&directory.join("moments.safetensors"), file.gradient_steps, &classifier.device())?;
        Ok(Checkpoint { state: file.state, network, moments, average, lora })
    }

    /// The parameters that were validated after a step and kept.
    pub(crate) fn validated(&self, step: u64, classifier: &Classifier) -> Result<Network> {
        read_network(&self.directory.join(best_file(step)), classifier)
    }

    /// Removes every checkpoint but one, and every file of validated parameters but those of the steps.
    fn prune(&self, checkpoint: &str, kept: &[u64]) -> Result<()> {
        let kept: Vec<String> = kept.iter().map(|&step| best_file(step)).collect();
        for name in names(&self.directory)? {
            let path = self.directory.join(&name);
            if name == checkpoint || kept.contains(&name) {
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

fn best_file(step: u64) -> String {
    format!("best-{step}.safetensors")
}

/// The values of all tensors of a file.
fn read_values(path: &Path) -> Result<BTreeMap<String, TensorData>> {
    let file = open(path)?;
    let values = |name: String| {
        let values = file.floats(&name).or_data(|| format!("`{name}` is not whole").to_owned())?;
        Ok((name, values))
    };
    file.shapes().into_keys().map(values).collect()
}

/// What AdamW remembers of parameters that had a gradient in so many steps.
fn read_moments(path: &Path, steps: BTreeMap<String, u64>, device: &Device) -> Result<BTreeMap<String, Moments>> {
    if steps.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (tensors, device) = (open(path)?, device.clone().inner());
    let moment = |kind: &str, path: &str| -> Result<Tensor<1>> {
        let data = tensors.floats(&format!("{kind}.{path}"));
        Ok(Tensor::from_data(data.or_data(|| "what AdamW remembers is not whole".to_owned())?, &device))
    };
    let of_each = |(path, steps): (String, u64)| {
        let (mean, square) = (moment("mean", &path)?, moment("square", &path)?);
        Ok((path, Moments { steps, mean, square, touched: Vec::new() }))
    };
    steps.into_iter().map(of_each).collect()
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
