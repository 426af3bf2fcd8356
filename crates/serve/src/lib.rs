//! Predictions over an exported bundle.
//!
//! [`Predictor`] is the whole way from a raw text to its label: cleaned and tokenized as in training, then asked of the
//! model. The program around it ([`main`]) reads texts from its arguments or from stdin and prints an answer per line.
//!
//! Invariants: a bundle is all that is needed, nothing of the run that made it; what a text is answered does not depend on
//! the texts beside it (but for the last digits of a score: sums of floats in batches of different shapes).

mod bundle;
mod cli;
mod command;
mod input;
mod output;
mod predictor;

use std::process::ExitCode;

use clap::Parser;
use firebrand_pipeline::{log, progress};

pub use predictor::{Answer, Predictor, Query, Score};

/// The whole `main` of the program.
pub fn main() -> ExitCode {
    log::init(None);
    let cli::Command::Predict(arguments) = cli::Cli::parse().command;
    match command::predict(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::log(&error.render());
            ExitCode::from(error.kind().exit_code())
        }
    }
}
