//! The runner: `cargo xtask`.
//!
//! Loads the configuration, finds out which stages are not fresh, builds their programs and runs them one after the other,
//! each as a process of its own. No stage is linked, so this compiles in seconds.

mod bench;
mod cargo;
mod child;
mod clean_run;
mod cli;
mod config;
mod durable;
mod freshness;
mod hashes;
mod interrupt;
mod lock;
mod manifest;
mod model;
mod new_stage;
mod outputs;
mod pipeline;
mod predict;
mod print;
mod programs;
mod run_dir;
mod runner;
mod status;
mod summary;
mod watch;
mod work;
mod workspace;

use std::process::ExitCode;

use clap::Parser;
use firebrand_pipeline::{Result, log, progress};

use cli::{Cli, Command};
use workspace::Workspace;

fn main() -> ExitCode {
    log::init(None);
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            progress::log(&error.render());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let workspace = Workspace::find(cli.root);
    match cli.command {
        Command::Pipeline(arguments) => pipeline::pipeline(&arguments, &workspace)?,
        Command::Stage(arguments) => pipeline::stage(&arguments, &workspace)?,
        Command::Status(arguments) => pipeline::status(&arguments, &workspace)?,
        Command::CleanRun(arguments) => pipeline::clean_run(&arguments, &workspace)?,
        Command::NewStage(arguments) => new_stage::write(&arguments.slot, &arguments.name, &workspace)?,
        Command::Predict(arguments) => return predict::predict(&arguments, &workspace),
        Command::Model(cli::Model::Inspect(arguments)) => return model::inspect(&arguments, &workspace),
        Command::Bench(arguments) => return bench::bench(&arguments, &workspace),
    }
    Ok(ExitCode::SUCCESS)
}
