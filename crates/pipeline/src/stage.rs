//! What a stage is, and what it sees of the run.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::progress::Progress;
use crate::{Error, Request, Result, Slot};

/// A stage of the pipeline, as a type without values: the process is the instance.
pub trait Stage {
    /// The place it fills.
    const SLOT: Slot;

    /// Its section of the configuration. Use `#[serde(deny_unknown_fields)]`; its rustdoc is the reference.
    type Config: Serialize + DeserializeOwned;

    /// Refuses a configuration that cannot work, before any stage starts.
    ///
    /// # Errors
    /// [`Error::key`] names the key; the runner adds the file and line that set it.
    fn check(config: &Self::Config) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Refuses files of the user's that the configuration names and that are not there, before any stage starts.
    /// `workspace` is the directory that relative paths start from.
    ///
    /// # Errors
    /// A data error that names the path.
    fn check_files(config: &Self::Config, workspace: &Path) -> Result<()> {
        let _ = (config, workspace);
        Ok(())
    }

    /// Does the work: reads `io.input(…)`, writes `io.output(…)`.
    ///
    /// # Errors
    /// Whatever went wrong, ready to be shown to the user.
    fn run(config: &Self::Config, io: &StageIo) -> Result<()>;
}

/// What a running stage sees: its inputs, its output directory, the cache, and progress bars.
#[derive(Debug)]
pub struct StageIo {
    request: Request,
}

impl StageIo {
    /// The view of the process that answers `request`.
    pub fn new(request: Request) -> Self {
        Self { request }
    }

    /// A finished file or directory of an earlier stage.
    ///
    /// # Errors
    /// A data error when the slot is not among [`Slot::inputs`] or the path is not there.
    pub fn input(&self, slot: Slot, path: &str) -> Result<PathBuf> {
        let full = self.input_dir(slot)?.join(path);
        if full.exists() {
            Ok(full)
        } else {
            Err(Error::data(format!("the `{slot}` stage left no `{path}` ({} is missing)", full.display()))
                .hint(format!("run `cargo xtask stage {slot} --force` to make it again")))
        }
    }

    /// A file of an earlier stage that it may have left out.
    ///
    /// # Errors
    /// A data error when the slot is not among [`Slot::inputs`].
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

    /// Where to write an output. The directory exists; after the stage it is renamed as a whole.
    pub fn output(&self, path: &str) -> PathBuf {
        self.request.output.join(path)
    }

    /// Makes (where needed) and returns a directory below the output directory.
    ///
    /// # Errors
    /// When the system refuses.
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

    /// Whether the output directory holds what an interrupted run with the same inputs left there; see [`Request::resume`].
    pub fn resuming(&self) -> bool {
        self.request.resume
    }

    /// Starts a progress bar (plain lines where stderr is no terminal). `total` of zero means unknown.
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
