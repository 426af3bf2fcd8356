//! `cargo xtask predict`: passes its arguments on to `firebrand predict`.

use std::process::{Command, ExitCode};

use firebrand_pipeline::{Result, ResultExt};

use crate::cargo::FIREBRAND;
use crate::cli::Predict;
use crate::workspace::Workspace;
use crate::{pipeline, programs};

/// Runs the program, which inherits stdin and stdout. Its exit code is returned.
///
/// # Errors
/// When the program does not build or cannot be started.
pub(crate) fn predict(arguments: &Predict, workspace: &Workspace) -> Result<ExitCode> {
    let program = programs::find_one(FIREBRAND, &pipeline::source(&arguments.programs), workspace)?;
    let mut command = Command::new(&program);
    command.arg("predict").arg(workspace.resolve(&arguments.bundle));
    if arguments.json {
        command.arg("--json");
    }
    if let Some(device) = &arguments.device {
        command.arg("--device").arg(device);
    }
    if let Some(size) = arguments.batch_size {
        command.arg("--batch-size").arg(size.to_string());
    }
    if let Some(count) = arguments.top_k {
        command.arg("--top-k").arg(count.to_string());
    }
    for pair in &arguments.pair {
        // As one argument, because the text may begin with a dash.
        command.arg(format!("--pair={pair}"));
    }
    // A text may begin with a dash.
    command.arg("--").args(&arguments.texts);
    let status = command.status().or_other(|| format!("cannot start {}", program.display()))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
