//! `cargo xtask model`: runs the inspect program.

use std::path::Path;
use std::process::{Command, ExitCode};

use firebrand_pipeline::{Result, ResultExt};

use crate::cargo::INSPECT;
use crate::cli::Inspect;
use crate::workspace::Workspace;
use crate::{pipeline, programs};

/// The download cache of commands that have no configuration.
const CACHE: &str = "data/cache";

/// Describes a model. The program writes to our stdout.
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
    // A path that exists is taken as typed; one that exists nowhere may be a name on the hub.
    let typed = Path::new(&arguments.model);
    let below = Some(workspace.root().join(typed)).filter(|path| !typed.exists() && path.exists());
    command.arg("--").arg(below.as_deref().unwrap_or(typed));
    let status = command.status().or_other(|| format!("cannot start {}", program.display()))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
