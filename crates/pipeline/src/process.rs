//! The protocol between the runner and a stage's process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, ErrorKind, Result, Slot, Stage, StageIo, log, progress, suggest};

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
    pub config: Value,
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
    /// Whether `output` holds what an interrupted run with the same inputs left there.
    ///
    /// Configuration and program may have changed since then: the stage compares what it needs, and starts anew where it
    /// cannot go on. What it cannot use it keeps under a name with `.superseded` in it (`checkpoints.superseded/`), which is
    /// no part of its result: in the end the runner moves it next to the stage's directory.
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
            config: Value::Null,
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
    log::init(Some(S::SLOT));
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
    let config: S::Config = read_section(&request.config, section, &request.origins)?;
    let origins = request.origins.clone();
    S::check(&config)
        .and_then(|()| S::check_files(&config, &request.workspace))
        .and_then(|()| if verb == "run" { S::run(&config, &StageIo::new(request)) } else { Ok(()) })
        .map_err(|error| locate(error, section, &origins))
}

/// A section as its stage's configuration type; the error names the key, and the file and line that set it.
fn read_section<C: DeserializeOwned>(values: &Value, section: &str, origins: &BTreeMap<String, String>) -> Result<C> {
    serde_path_to_error::deserialize(values).map_err(|error| {
        let (key, problem) = (error.path().to_string(), error.inner().to_string());
        match unknown_field(&problem) {
            Some((unknown, known)) => {
                // "." is the section itself.
                let key = if key == "." { unknown } else { &key };
                let error = Error::config(format!("{}there is no key `{section}.{key}`", place_of(key, origins)));
                match suggest(unknown, known.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None if known.is_empty() => error,
                    None => error.hint(format!("the keys there are: {}", known.join(", "))),
                }
            }
            None if key == "." => Error::config(format!("[{section}] is not valid: {problem}")),
            None => locate(Error::key(&key, format!("is not valid: {problem}")), section, origins),
        }
    })
}

/// Of serde's "unknown field `a`, expected one of `b`, `c`": `a`, and `b` and `c`.
fn unknown_field(problem: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = problem.strip_prefix("unknown field `")?.split('`').step_by(2);
    Some((quoted.next()?, quoted.filter(|name| !name.is_empty()).collect()))
}

/// Completes `` `key` … `` with the section, and with the file and line that set the key or the table around it.
fn locate(error: Error, section: &str, origins: &BTreeMap<String, String>) -> Error {
    if error.kind() != ErrorKind::Config {
        return error;
    }
    let Some((key, rest)) = error.message().strip_prefix('`').and_then(|text| text.split_once('`')) else {
        return error;
    };
    let message = format!("{}`{section}.{key}`{rest}", place_of(key, origins));
    error.with_message(message)
}

/// `my.toml:3: `, where the key or else the nearest table around it was set; nothing for a default.
fn place_of(key: &str, origins: &BTreeMap<String, String>) -> String {
    std::iter::successors(Some(key), |key| key.rfind(['.', '[']).map(|end| &key[..end]))
        .find_map(|key| origins.get(key))
        .map(|origin| format!("{origin}: "))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        epochs: u32,
        #[serde(default)]
        data: Source,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Source {
        path: String,
        files: Vec<String>,
    }

    fn origins() -> BTreeMap<String, String> {
        let origins =
            [("data", "my.toml:2"), ("data.pahs", "my.toml:3"), ("data.files", "my.toml:4"), ("epochs", "my.toml:9")];
        origins.map(|(key, place)| (key.to_owned(), place.to_owned())).into()
    }

    fn refused(values: &Value) -> String {
        read_section::<Config>(values, "fetch", &origins()).unwrap_err().render()
    }

    #[test]
    fn an_error_about_a_key_gets_its_section_and_place() {
        let error = locate(Error::key("epochs", "is 0"), "train", &origins());
        assert_eq!(error.message(), "my.toml:9: `train.epochs` is 0");
        let error = locate(Error::key("data.hub", "is empty"), "fetch", &origins());
        assert_eq!(error.message(), "my.toml:2: `fetch.data.hub` is empty");
        let error = locate(Error::data("`epochs` of rows"), "train", &origins());
        assert_eq!(error.message(), "`epochs` of rows");
    }

    #[test]
    fn an_unknown_key_gets_its_place_and_a_suggestion() {
        assert_eq!(
            refused(&json!({ "epochs": 1, "data": { "pahs": "a" } })),
            "error: my.toml:3: there is no key `fetch.data.pahs`\n\nhint: did you mean `path`?"
        );
        assert_eq!(
            refused(&json!({ "epochs": 1, "xyzzy": 2 })),
            "error: there is no key `fetch.xyzzy`\n\nhint: the keys there are: epochs, data"
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_gets_its_key_and_place() {
        assert_eq!(
            refused(&json!({ "epochs": 1, "data": { "files": ["a", 2] } })),
            "error: my.toml:4: `fetch.data.files[1]` is not valid: invalid type: integer `2`, expected a string"
        );
        assert_eq!(refused(&json!({})), "error: [fetch] is not valid: missing field `epochs`");
        let config: Config = read_section(&json!({ "epochs": 3 }), "fetch", &origins()).unwrap();
        assert_eq!((config.epochs, config.data.path.as_str(), config.data.files.len()), (3, "", 0));
    }
}
