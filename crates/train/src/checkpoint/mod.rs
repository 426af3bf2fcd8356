//! Checkpoints, from which an interrupted run resumes bit for bit.
//!
//! ```text
//! checkpoints/best-40.safetensors           parameters of one of the best validations, here after step 40
//! checkpoints/step-60/state.json            progress of training
//! checkpoints/step-60/model.safetensors     parameters by path
//! checkpoints/step-60/moments.safetensors   AdamW's state, except after the last step
//! checkpoints/step-60/average.safetensors   moving average of the parameters (`ema_decay`)
//! checkpoints/step-60/lora.safetensors      LoRA adapters (`lora_rank`)
//! ```
//!
//! A checkpoint is written into `step-60.tmp`, flushed to disk and renamed, so it is complete or absent. Only the newest is kept.
//! It has no state of random generators: random numbers are functions of seed and step.
//!
//! `state.json` also has the [`Fingerprint`] of the training that wrote it. Checkpoints of another training are neither resumed
//! nor deleted: they are moved to `checkpoints.superseded`.

pub(crate) mod fingerprint;
pub(crate) mod state;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use firebrand_arch::{ModelError, SafetensorsFile, write_safetensors};
use firebrand_model::{Classifier, Network, ParameterSource, named_parameters, tensor_view};
use firebrand_pipeline::{Error, Result, ResultExt, StageIo, read_json, write_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::fingerprint::Fingerprint;
use crate::checkpoint::state::{ProgramChange, State};
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
    /// Hash of the program that wrote it.
    executable: String,
    pub(crate) state: State,
    pub(crate) network: Network,
    pub(crate) moments: BTreeMap<String, Moments>,
    /// The moving average of the parameters, with `ema_decay`.
    pub(crate) average: Option<BTreeMap<String, TensorData>>,
    /// The LoRA adapters; empty without `lora_rank`.
    pub(crate) lora: BTreeMap<String, TensorData>,
}

/// The state of training that a checkpoint saves.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) state: &'a State,
    pub(crate) network: &'a Network,
    pub(crate) optimizer: &'a AdamW,
    pub(crate) average: Option<&'a BTreeMap<String, TensorData>>,
    pub(crate) lora: Option<&'a Lora>,
    /// Steps of the validations whose parameters are kept.
    pub(crate) kept: &'a [u64],
    /// The parameters that were validated after this step, if any.
    pub(crate) validated: Option<&'a Network>,
    /// Whether this was the last step, after which AdamW's state is not needed.
    pub(crate) last: bool,
}

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    fingerprint: Fingerprint,
    state: State,
    /// Steps of the validations whose parameters are saved beside the checkpoint.
    kept: Vec<u64>,
    /// Whether there is a file with the moving average.
    average: bool,
    /// Whether there is a file with LoRA adapters.
    lora: bool,
    /// Steps in which each parameter had a gradient.
    gradient_steps: BTreeMap<String, u64>,
}

impl Checkpoints {
    /// Checkpoints in this directory, which need not exist yet.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes a checkpoint, and then removes the ones that it replaces.
    pub(crate) fn write(&self, snapshot: &Snapshot<'_>) -> Result<()> {
        let Snapshot { fingerprint, state, network, optimizer, average, lora, kept, validated, last } = *snapshot;
        let name = format!("step-{}", state.step);
        let temporary = self.directory.join(format!("{name}.tmp"));
        remove_dir(&temporary)?;
        fs::create_dir_all(&temporary).map_err(|error| Error::io("create", &temporary, &error))?;

        let model = temporary.join("model.safetensors");
        write_tensors(&model, &named_parameters(network))?;
        if let Some(validated) = validated.filter(|_| kept.contains(&state.step)) {
            let path = self.directory.join(best_file(state.step));
            // Without an average these are the same parameters: a hard link will do, if the file system has them.
            let linked = average.is_none() && fs::hard_link(&model, &path).is_ok();
            // A file appears under this name only when it is complete, and a step has one set of parameters.
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
        let optimiser_state = || optimizer.moments.iter().filter(|_| !last);
        let mut moments = Vec::with_capacity(2 * optimizer.moments.len());
        for (path, Moments { mean, square, .. }) in optimiser_state() {
            moments.push((format!("mean.{path}"), mean.to_data()));
            moments.push((format!("square.{path}"), square.to_data()));
        }
        if !moments.is_empty() {
            write_tensors(&temporary.join("moments.safetensors"), &moments)?;
        }
        let file = StateFile {
            fingerprint: fingerprint.clone(),
            state: state.clone(),
            kept: kept.to_vec(),
            average: average.is_some(),
            lora: lora.is_some(),
            gradient_steps: optimiser_state().map(|(path, moments)| (path.clone(), moments.steps)).collect(),
        };
        let path = temporary.join("state.json");
        write_json(&path, &file)?;
        flush(&path).map_err(|error| Error::io("write", &path, &error))?;

        let finished = self.directory.join(&name);
        remove_dir(&finished)?;
        flush_dir(&temporary);
        fs::rename(&temporary, &finished).map_err(|error| Error::io("rename", &temporary, &error))?;
        flush_dir(&self.directory);
        self.prune(&name, kept)
    }

    /// The newest checkpoint, if there is one and it belongs to this training. If it belongs to another, all checkpoints are set
    /// aside, and the log says why.
    ///
    /// # Errors
    /// When the checkpoint is damaged, or cannot be set aside.
    pub(crate) fn resume(
        &self,
        io: &StageIo,
        fingerprint: &Fingerprint,
        classifier: &Classifier,
    ) -> Result<Option<Checkpoint>> {
        let names = names(&self.directory)?;
        let newest = names.iter().filter_map(|name| name.strip_prefix("step-")?.parse::<u64>().ok()).max();
        let Some(step) = newest else { return Ok(None) };
        let directory = self.directory.join(format!("step-{step}"));
        let damaged = |error: Error| {
            error.context(format!("cannot resume from the checkpoint {}", directory.display())).hint(format!(
                "remove {} and run the same command: training then starts over",
                self.directory.display()
            ))
        };
        let reasons = if io.resuming() {
            mismatches(&directory, fingerprint).map_err(damaged)?
        } else {
            vec!["this run starts over".to_owned()]
        };
        if !reasons.is_empty() {
            let kept = self.set_aside()?;
            io.log(format!(
                "starting over: the checkpoint of step {step} cannot be resumed ({}); it is kept in {}",
                reasons.join("; "),
                kept.display()
            ));
            return Ok(None);
        }
        let mut found = self.read(&directory, classifier).map_err(damaged)?;
        if found.executable != fingerprint.executable {
            io.log(format!("another build of this program wrote the checkpoint of step {step}: resuming all the same"));
            found.state.program_changes.push(ProgramChange {
                step,
                before: std::mem::take(&mut found.executable),
                after: fingerprint.executable.clone(),
            });
        }
        Ok(Some(found))
    }

    /// Moves all checkpoints out of the way, to the first name that is free.
    fn set_aside(&self) -> Result<PathBuf> {
        let free = (1_u32..).map(|number| match number {
            1 => self.directory.with_extension("superseded"),
            _ => self.directory.with_extension(format!("superseded-{number}")),
        });
        let to = free.into_iter().find(|path| !path.exists()).unwrap_or_default();
        fs::rename(&self.directory, &to).map_err(|error| Error::io("rename", &self.directory, &error))?;
        Ok(to)
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
        let executable = file.fingerprint.executable;
        Ok(Checkpoint { executable, state: file.state, network, moments, average, lora })
    }

    /// The kept parameters of the validation after a step.
    pub(crate) fn validated(&self, step: u64, classifier: &Classifier) -> Result<Network> {
        read_network(&self.directory.join(best_file(step)), classifier)
    }

    /// Removes all checkpoints but one, and all validated parameters but those of the kept steps.
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

/// Why a checkpoint does not belong to this training; empty if it does.
fn mismatches(directory: &Path, fingerprint: &Fingerprint) -> Result<Vec<String>> {
    let path = directory.join("state.json");
    // Another format may have other fields.
    if let Some(reason) = Fingerprint::other_format(&read_json::<Value>(&path)?) {
        return Ok(vec![reason]);
    }
    fingerprint.mismatches(&read_json::<StateFile>(&path)?.fingerprint)
}

/// The names in a directory, sorted; empty if there is no directory.
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

/// Removes a directory that may be there.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

fn write_tensors(path: &Path, tensors: &[(String, TensorData)]) -> Result<()> {
    let tensors = tensors.iter().map(|(name, data)| (name.as_str(), tensor_view(data)));
    write_safetensors(path, tensors, HashMap::new()).map_err(|error| {
        let failed = Error::other("cannot write a checkpoint").caused_by(&error);
        failed.hint("a checkpoint takes up to four times the size of the model")
    })
}

fn flush(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a rename survive a power failure, if the system can.
fn flush_dir(path: &Path) {
    if cfg!(unix) {
        // A file system that cannot flush a directory still orders the rename.
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
        let tensor = file.floats(&name).or_data(|| format!("`{name}` is incomplete").to_owned())?;
        Ok((name, TensorData::new(tensor.values, tensor.shape)))
    };
    file.shapes().into_keys().map(values).collect()
}

/// AdamW's state of parameters that had a gradient in this many steps.
fn read_moments(path: &Path, steps: BTreeMap<String, u64>, device: &Device) -> Result<BTreeMap<String, Moments>> {
    if steps.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (tensors, device) = (open(path)?, device.clone().inner());
    let moment = |kind: &str, path: &str| -> Result<Tensor<1>> {
        let tensor = tensors.floats(&format!("{kind}.{path}"));
        let tensor = tensor.or_data(|| "AdamW's state is incomplete".to_owned())?;
        Ok(Tensor::from_data(TensorData::new(tensor.values, tensor.shape), &device))
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
        fn values(&mut self, path: &str, shape: &[usize]) -> std::result::Result<Vec<f32>, ModelError> {
            let tensor = self.file.floats(path)?;
            if tensor.shape != shape {
                return Err(ModelError::Tensors {
                    path: self.file.path().to_owned(),
                    problem: format!("`{path}` has shape {:?}, the model asks for {shape:?}", tensor.shape),
                });
            }
            Ok(tensor.values)
        }
        fn device(&self) -> &Device {
            &self.device
        }
    }
    let mut source = Source { file: open(path)?, device: classifier.device() };
    Network::new(&mut source, &classifier.config().network)
        .or_data(|| "the checkpoint does not fit the pretrained model".to_owned())
}
