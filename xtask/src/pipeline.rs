//! The commands that work on a run.

use std::collections::BTreeSet;

use firebrand_pipeline::{Error, Result, Slot};
use tracing::info;

use crate::cli::{How, Pipeline, Programs, Run, Stage, Status};
use crate::config::Config;
use crate::lock::Lock;
use crate::programs::Source;
use crate::runner::{Runner, Selection};
use crate::workspace::Workspace;
use crate::{clean_run, interrupt, programs, status, summary};

/// `cargo xtask pipeline`.
///
/// # Errors
/// Any failure, ready to be shown to the user.
pub(crate) fn pipeline(arguments: &Pipeline, workspace: &Workspace) -> Result<()> {
    let [from, to, only] = [&arguments.from, &arguments.to, &arguments.only]
        .map(|name| name.as_deref().map(str::parse::<Slot>).transpose());
    let [from, to] = match only? {
        Some(only) => [Some(only); 2],
        None => [from?, to?],
    };
    let wanted = |slot: &Slot| from.is_none_or(|from| *slot >= from) && to.is_none_or(|to| *slot <= to);
    let slots: BTreeSet<Slot> = Slot::ALL.into_iter().filter(wanted).collect();
    if slots.is_empty() {
        return Err(Error::usage("--to names a stage that comes before that of --from")
            .hint(format!("the stages' order: {}", Slot::ALL.map(|slot| slot.to_string()).join(", "))));
    }
    run(slots, &arguments.run, &arguments.how, workspace)
}

/// `cargo xtask stage`.
///
/// # Errors
/// Any failure, ready to be shown to the user.
pub(crate) fn stage(arguments: &Stage, workspace: &Workspace) -> Result<()> {
    run(BTreeSet::from([arguments.name.parse()?]), &arguments.run, &arguments.how, workspace)
}

/// `cargo xtask status`.
///
/// # Errors
/// Any failure, ready to be shown to the user.
pub(crate) fn status(arguments: &Status, workspace: &Workspace) -> Result<()> {
    let config = load(&arguments.run, workspace)?;
    let selection = Selection { slots: BTreeSet::from(Slot::ALL), force: false };
    let given = arguments.bin_dir.clone().map(Source::Directory).or_else(programs::from_environment);
    let source = given.unwrap_or(Source::LastBuild);
    let plan = status::plan(&config, &selection, &source, workspace)?;
    status::print_plan(&plan, &config, workspace, "stale", arguments.json)
}

/// `cargo xtask clean-run`.
///
/// # Errors
/// Any failure, ready to be shown to the user.
pub(crate) fn clean_run(arguments: &Run, workspace: &Workspace) -> Result<()> {
    clean_run::clean(&load(arguments, workspace)?, workspace)
}

fn run(slots: BTreeSet<Slot>, which: &Run, how: &How, workspace: &Workspace) -> Result<()> {
    let config = load(which, workspace)?;
    let selection = Selection { slots, force: how.force };
    let source = source(&how.programs);
    if how.dry_run {
        let plan = status::plan(&config, &selection, &source, workspace)?;
        return status::print_plan(&plan, &config, workspace, "would run", how.json);
    }
    interrupt::install()?;
    let lock_dir = config.run_dir();
    info!("{} ({}) in {}", config.run, config.file, workspace.show(&lock_dir));
    // Built before the lock is taken, because cargo's processes must not inherit it.
    let mut runner = Runner::open(workspace, &config, &source)?;
    let lock = Lock::take(&lock_dir)?;
    let outcomes = runner.execute(&selection, &lock)?;
    summary::print_summary(&config, &outcomes, workspace, how.json, &which.config)
}

fn load(which: &Run, workspace: &Workspace) -> Result<Config> {
    Config::load(&which.config, &which.set, workspace)
}

/// Where the programs come from.
pub(crate) fn source(programs: &Programs) -> Source {
    match &programs.bin_dir {
        Some(dir) => Source::Directory(dir.clone()),
        None if programs.features.is_empty() => programs::from_environment().unwrap_or(Source::Cargo(Vec::new())),
        None => Source::Cargo(programs.features.clone()),
    }
}
