//! `cargo xtask predict`: passes its arguments on to `firebrand predict`.

use std::process::{Command, ExitCode};

use firebrand_pipeline::{Result, ResultExt};

use crate::cargo::FIREBRAND;
use crate::cli::PredictCommand;
use crate::workspace::Workspace;
use crate::{pipeline, programs};

/// The options of `firebrand predict`.
#[path = "../../crates/firebrand/src/cli/predict.rs"]
pub(crate) mod options;

/// Runs the program, which inherits stdin and stdout. Its exit code is returned.
///
/// # Errors
/// When the program does not build or cannot be started.
pub(crate) fn predict(arguments: &PredictCommand, workspace: &Workspace) -> Result<ExitCode> {
    let program = programs::find_one(FIREBRAND, &pipeline::source(&arguments.programs), workspace)?;
    let bundle = workspace.resolve(&arguments.predict.bundle);
    let forwarded = options::Predict { bundle, ..arguments.predict.clone() };
    let mut command = Command::new(&program);
    command.arg("predict").args(forwarded.arguments());
    let status = command.status().or_other(|| format!("cannot start {}", program.display()))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
