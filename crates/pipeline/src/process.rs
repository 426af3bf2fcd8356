//! The protocol between the runner and a stage's process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, Slot, Stage, StageIo, progress};

/// What the runner asks of a stage's process: the JSON document behind `EXE check FILE` and `EXE run FILE`.
///
/// For `check` the directories need not exist.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Version of this protocol: 1.
    pub protocol: u32,
    /// The slot to fill.
    pub slot: Slot,
    /// The name of the run.
    pub run: String,
    /// The slot's resolved section of the configuration.
    pub config: serde_json::Value,
    /// Where each key was set: `learning_rate` → `configs/my.toml:12`.
    pub origins: BTreeMap<String, String>,
    /// The finished directories of the slot's inputs, absolute.
    pub inputs: BTreeMap<Slot, PathBuf>,
    /// The directory to write into, absolute; it exists.
    pub output: PathBuf,
    /// The content-addressed cache shared by all runs, absolute.
    pub cache: PathBuf,
    /// The directory that relative paths in the configuration start from, absolute.
    pub workspace: PathBuf,
    /// Whether `output` holds what an interrupted run with the same key left there.
    pub resume: bool,
}

impl Request {
    /// The version of the protocol that this crate speaks.
    pub const PROTOCOL: u32 = 1;
}

/// The whole `main` of a stage in Rust.
///
/// ```no_run
/// # use firebrand_pipeline::{Stage, StageIo, Slot, Result};
/// # struct Clean;
/// # impl Stage for Clean { const SLOT: Slot = Slot::Clean; type Config = ();
/// #   fn run(_: &(), _: &StageIo) -> Result<()> { Ok(()) } }
/// fn main() -> std::process::ExitCode {
///     firebrand_pipeline::main::<Clean>()
/// }
/// ```
pub fn main<S: Stage>() -> ExitCode {
    match dispatch::<S>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::log(&error.render());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn dispatch<S: Stage>() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (verb, file) = match args.as_slice() {
        [verb, file] if verb == "check" || verb == "run" => (verb.as_str(), file),
        _ => {
            return Err(Error::usage(format!("expected `check REQUEST.json` or `run REQUEST.json`, found {args:?}"))
                .hint("this program is a stage of Firebrand's pipeline: `cargo xtask` starts it"));
        }
    };
    crate::runner::end_with_runner();
    let request: Request = crate::read_json(file.as_ref())?;
    if request.protocol != Request::PROTOCOL || request.slot != S::SLOT {
        return Err(Error::usage(format!(
            "asked for `{}` in protocol {}, but this program is `{}` in protocol {}",
            request.slot,
            request.protocol,
            S::SLOT,
            Request::PROTOCOL
        )));
    }
    let section = S::SLOT.name();
    let config: S::Config = serde_json::from_value(request.config.clone())
        .map_err(|error| Error::config(format!("[{section}] is not valid: {error}")))?;
    S::check(&config)
        .and_then(|()| S::check_files(&config, &request.workspace))
        .map_err(|error| locate(error, section, &request.origins))?;
    if verb == "run" {
        S::run(&config, &StageIo::new(request))?;
    }
    Ok(())
}

/// Completes `` `key` … `` with the section, and with the file and line that set the key.
fn locate(error: Error, section: &str, origins: &BTreeMap<String, String>) -> Error {
    if error.kind() != ErrorKind::Config {
        return error;
    }
    let Some((key, rest)) = error.message().strip_prefix('`').and_then(|text| text.split_once('`')) else {
        return error;
    };
    let place = origins.get(key).map(|origin| format!("{origin}: ")).unwrap_or_default();
    let message = format!("{place}`{section}.{key}`{rest}");
    error.with_message(message)
}
