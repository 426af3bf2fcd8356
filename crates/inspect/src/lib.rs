//! Inspects a pretrained model before anything is trained on it: family, sizes, tensors, tokenizer, licence, head.
//!
//! [`Inspection`] inspects a directory in the hub's layout; the program around it ([`main`]) also fetches models of the
//! hub, and prints the inspection as text or as JSON.
//!
//! Invariants: this is not a stage and writes nothing but the hub's cache; no tensor's values are read.

mod cli;
mod find;
mod inspection;
mod licence;
mod text;
mod tokenizer;

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Parser;
use firebrand_pipeline::{Error, Result, log, progress, to_json};

pub use inspection::Inspection;
pub use licence::Licence;
pub use tokenizer::{SpecialToken, Tokenizer};

/// The program's `main`.
pub fn main() -> ExitCode {
    log::init(None);
    match run(&cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::log(&error.render());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run(arguments: &cli::Cli) -> Result<()> {
    let found = find::model(&arguments.model, &arguments.cache)?;
    let inspection = Inspection::of(&found.directory, arguments.labels.into(), found.commit)?;
    let text = if arguments.json { to_json(&inspection)? } else { text::of(&arguments.model, &inspection) };
    match stdout().write_all(text.as_bytes()) {
        // The reader has closed the pipe: it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Error::other("cannot write to stdout").caused_by(&error)),
    }
}
