//! The trait of a stage, and its view of the run.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::progress::Progress;
use crate::{Error, Request, Result, Slot};

/// A stage of the pipeline. It is a type without values, as each process runs one stage.
pub trait Stage {
    /// The slot that it fills.
    const SLOT: Slot;

    /// Its section of the configuration. Use `#[serde(deny_unknown_fields)]`; its rustdoc is the reference.
    type Config: Serialize + DeserializeOwned;

    /// Rejects an invalid configuration before any stage starts.
    ///
    /// # Errors
    /// [`Error::key`] names the key; the runner adds the file and line that set it.
    fn check(config: &Self::Config) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Rejects missing files that the configuration names, before any stage starts. Relative paths start from `workspace`.
    ///
    /// # Errors
    /// A data error that names the path.
    fn check_files(config: &Self::Config, workspace: &Path) -> Result<()> {
        let _ = (config, workspace);
        Ok(())
    }

    /// Runs the stage: reads `io.input(…)`, writes `io.output(…)`.
    ///
    /// # Errors
    /// Any failure, ready to be shown to the user.
    fn run(config: &Self::Config, io: &StageIo) -> Result<()>;
}

/// A running stage's inputs, output directory, cache, log and progress bars.
#[derive(Debug)]
pub struct StageIo {
    request: Request,
}

impl StageIo {
    /// The view of a stage that was started with `request`.
    pub fn new(request: Request) -> Self {
        Self { request }
    }

    /// A file or directory that an earlier stage wrote.
    ///
    /// # Errors
    /// A data error if the slot is not among [`Slot::inputs`] or the path does not exist.
    pub fn input(&self, slot: Slot, path: &str) -> Result<PathBuf> {
        let full = self.input_dir(slot)?.join(path);
        if full.exists() {
            Ok(full)
        } else {
            Err(Error::data(format!("the `{slot}` stage left no `{path}` ({} is missing)", full.display()))
                .hint(format!("run `cargo xtask stage {slot} --force` to make it again")))
        }
    }

    /// An optional file of an earlier stage, if it wrote it.
    ///
    /// # Errors
    /// A data error if the slot is not among [`Slot::inputs`].
    pub fn optional_input(&self, slot: Slot, path: &str) -> Result<Option<PathBuf>> {
        let full = self.input_dir(slot)?.join(path);
        Ok(full.exists().then_some(full))
    }

    fn input_dir(&self, slot: Slot) -> Result<&Path> {
        self.request.inputs.get(&slot).map(PathBuf::as_path).ok_or_else(|| {
            Error::data(format!("the `{}` stage asked for `{slot}`, which it was not given", self.request.slot))
                .hint("Slot::inputs lists what each stage reads")
        })
    }

    /// The path of an output. The directory exists; when the stage is done, it is renamed as a whole.
    pub fn output(&self, path: &str) -> PathBuf {
        self.request.output.join(path)
    }

    /// A directory below the output directory, created if needed.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn output_dir(&self, path: &str) -> Result<PathBuf> {
        let full = self.output(path);
        std::fs::create_dir_all(&full).map_err(|error| Error::io("create", &full, &error))?;
        Ok(full)
    }

    /// Writes a value as indented JSON with a final newline.
    ///
    /// # Errors
    /// When the value has no JSON form or the system refuses.
    pub fn write_json(&self, path: &str, value: &impl Serialize) -> Result<()> {
        crate::write_json(&self.output(path), value)
    }

    /// The content-addressed cache shared by all runs.
    pub fn cache(&self) -> &Path {
        &self.request.cache
    }

    /// The directory that relative paths in the configuration start from.
    pub fn workspace(&self) -> &Path {
        &self.request.workspace
    }

    /// The name of the run.
    pub fn run_name(&self) -> &str {
        &self.request.run
    }

    /// Whether the user set this key of the stage's section, rather than leaving it at its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.request.origins.contains_key(key)
    }

    /// Whether the output directory holds what an interrupted run with the same inputs left there; see [`Request::resume`].
    pub fn resuming(&self) -> bool {
        self.request.resume
    }

    /// Starts a progress bar, or plain lines if stderr is not a terminal. A `total` of zero means unknown.
    pub fn progress(&self, what: &str, total: u64) -> Progress {
        Progress::start(&format!("{:>8} {what}", self.request.slot), total)
    }

    /// Logs a line for the user.
    pub fn log(&self, message: impl AsRef<str>) {
        tracing::info!(stage = self.request.slot.name(), "{}", message.as_ref());
    }

    /// Logs a warning: something that the user should look at, although the stage goes on.
    pub fn warn(&self, message: impl AsRef<str>) {
        tracing::warn!(stage = self.request.slot.name(), "{}", message.as_ref());
    }
}
