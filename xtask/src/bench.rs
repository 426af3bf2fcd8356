//! `cargo xtask bench`: the workspace's benchmarks.

use std::process::ExitCode;

use firebrand_pipeline::{Result, ResultExt};

use crate::cargo;
use crate::cli::Bench;
use crate::workspace::Workspace;

/// Runs every benchmark of the workspace, or those whose names contain the filter.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn bench(arguments: &Bench, workspace: &Workspace) -> Result<ExitCode> {
    let mut command = cargo::command();
    // In the profile that the stages run in: what is measured is what users have, and nothing is compiled twice.
    command.args(["bench", "--profile", "dev", "--workspace", "--bench", "*", "--manifest-path"]);
    command.arg(workspace.root().join("Cargo.toml"));
    if let Some(filter) = &arguments.filter {
        command.arg("--").arg(filter);
    }
    let status = command.status().or_other(|| "cannot start cargo, which runs the benchmarks".to_owned())?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
