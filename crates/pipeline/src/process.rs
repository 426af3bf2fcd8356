//! The protocol between the runner and a stage's process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, Slot, Stage, StageIo, progress, suggest};

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

    /// A request whose directories all lie in `home`, in the layout of a run: the slot's inputs and its output under their
    /// slots' names, the cache in `cache/`. Relative paths start from `home`.
    ///
    /// It is the starting point for running a stage without the runner, as tests do. Nothing is created; the configuration
    /// is `null`, because [`Stage::run`] takes it as a value:
    ///
    /// ```
    /// # use firebrand_pipeline::{Request, Slot, StageIo};
    /// # let home = std::path::Path::new("/tmp/test");
    /// let io = StageIo::new(Request { output: home.join("out"), ..Request::in_dir(home, Slot::Split) });
    /// assert_eq!(io.output("train.parquet"), home.join("out/train.parquet"));
    /// assert!(io.optional_input(Slot::Clean, "text.json").is_ok_and(|found| found.is_none()));
    /// ```
    pub fn in_dir(home: &Path, slot: Slot) -> Self {
        Self {
            protocol: Self::PROTOCOL,
            slot,
            run: "test".to_owned(),
            config: serde_json::Value::Null,
            origins: BTreeMap::new(),
            inputs: slot.inputs().iter().map(|&input| (input, home.join(input.name()))).collect(),
            output: home.join(slot.name()),
            cache: home.join("cache"),
            workspace: home.to_owned(),
            resume: false,
        }
    }
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
        .map_err(|error| not_understood(&error.to_string(), section, &request.origins))?;
    let origins = request.origins.clone();
    S::check(&config)
        .and_then(|()| S::check_files(&config, &request.workspace))
        .and_then(|()| if verb == "run" { S::run(&config, &StageIo::new(request)) } else { Ok(()) })
        .map_err(|error| locate(error, section, &origins))
}

/// An error for a section that its stage cannot read: a key inside a table that the runner does not know by name.
fn not_understood(problem: &str, section: &str, origins: &BTreeMap<String, String>) -> Error {
    let quoted = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let Some((unknown, known)) = problem.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", expected"))
    else {
        return Error::config(format!("[{section}] is not valid: {problem}"));
    };
    let (unknown, known) = (quoted(unknown).join(""), quoted(known));
    let is_it = |key: &str| key == unknown || key.ends_with(&format!(".{unknown}"));
    let place = origins.iter().find(|(key, _)| is_it(key));
    let (place, key) = match place {
        Some((key, origin)) => (format!("{origin}: "), key.as_str()),
        None => (String::new(), unknown.as_str()),
    };
    let error = Error::config(format!("{place}there is no key `{section}.{key}`"));
    match suggest(&unknown, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("the keys there are: {}", known.join(", "))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> BTreeMap<String, String> {
        BTreeMap::from([
            ("data.pahs".to_owned(), "my.toml:3".to_owned()),
            ("epochs".to_owned(), "my.toml:9".to_owned()),
        ])
    }

    #[test]
    fn an_error_about_a_key_gets_its_section_and_place() {
        let error = locate(Error::key("epochs", "is 0"), "train", &origins());
        assert_eq!(error.message(), "my.toml:9: `train.epochs` is 0");
        let error = locate(Error::data("`epochs` of rows"), "train", &origins());
        assert_eq!(error.message(), "`epochs` of rows");
    }

    #[test]
    fn an_unknown_key_inside_a_table_gets_its_place_and_the_nearest_name() {
        let problem = "unknown field `pahs`, expected one of `path`, `url`, `hub`";
        let error = not_understood(problem, "fetch", &origins());
        assert_eq!(error.render(), "error: my.toml:3: there is no key `fetch.data.pahs`\n\nhint: did you mean `path`?");
        let error = not_understood("unknown field `xyz`, expected `seed`", "split", &origins());
        assert_eq!(error.render(), "error: there is no key `split.xyz`\n\nhint: the keys there are: seed");
        let error = not_understood("missing field `seed`", "split", &origins());
        assert_eq!(error.message(), "[split] is not valid: missing field `seed`");
    }
}
