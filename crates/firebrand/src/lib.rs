//! Predictions from an exported bundle.
//!
//! [`Predictor`] takes raw texts to labels: it cleans and tokenizes them as in training, then runs the model. The program
//! around it ([`main`]) reads texts from its arguments or from stdin and prints one line for each.
//!
//! Invariants: a bundle is all that is needed, nothing of the run that made it; a text's prediction does not depend on the
//! texts beside it (except for the last digits of a score, as float sums differ between batch shapes), and a text that cannot
//! be classified does not fail the others.

mod bundle;
mod cli;
mod command;
mod input;
mod notes;
mod output;
mod predictor;
mod refusal;

use std::process::ExitCode;

use clap::Parser;
use firebrand_pipeline::{log, progress};

pub use predictor::{Answer, Predictor, Query, Score};
pub use refusal::{InputKind, Refusal};

/// The program's whole `main`.
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
