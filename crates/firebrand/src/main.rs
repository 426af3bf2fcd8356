//! `firebrand`: labels for texts, from a fine-tuned model.
//!
//! `predict` takes raw texts to labels: it cleans and tokenizes them as in training, then runs the model. Texts come from the
//! arguments, from stdin, or from a file ([`files`]). `inspect` describes a bundle, `onnx` writes its model for other engines.
//!
//! Invariants: a bundle is all that is needed, nothing of the run that made it; a text's prediction does not depend on the
//! other texts, and a text that cannot be classified does not fail the others.

mod cli;
mod command;
mod files;
mod input;
mod inspect;
mod notes;
mod onnx;
mod output;
mod predictor;

use std::process::ExitCode;

use clap::Parser;
use firebrand_pipeline::{log, progress};

use cli::{Cli, Command};

fn main() -> ExitCode {
    log::init(None);
    let outcome = match Cli::parse().command {
        Command::Predict(arguments) => command::predict(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Onnx(arguments) => onnx::onnx(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::log(&error.render());
            ExitCode::from(error.kind().exit_code())
        }
    }
}
