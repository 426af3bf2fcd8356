//! `cargo xtask model`: hands the question on to the inspecting program.

use std::path::Path;
use std::process::{Command, ExitCode};

use firebrand_pipeline::{Result, ResultExt};

use crate::cargo::INSPECT;
use crate::cli::Inspect;
use crate::workspace::Workspace;
use crate::{pipeline, programs};

/// Where downloads are kept where no configuration sets `run.dir`.
const CACHE: &str = "data/cache";

/// Says what a model is. Stdout is the program's own.
///
/// # Errors
/// When the program does not build or cannot be started.
pub(crate) fn inspect(arguments: &Inspect, workspace: &Workspace) -> Result<ExitCode> {
    let program = programs::find_one(INSPECT, &pipeline::source(&arguments.programs), workspace)?;
    let mut command = Command::new(&program);
    command.arg("--cache").arg(workspace.root().join(CACHE));
    if arguments.json {
        command.arg("--json");
    }
    if let Some(labels) = arguments.labels {
        command.arg("--labels").arg(labels.to_string());
    }
    // As typed where it is there, or nowhere: then it may be a name on the hub.
    let typed = Path::new(&arguments.model);
    let below = Some(workspace.root().join(typed)).filter(|path| !typed.exists() && path.exists());
    command.arg("--").arg(below.as_deref().unwrap_or(typed));
    let status = command.status().or_other(|| format!("cannot start {}", program.display()))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
