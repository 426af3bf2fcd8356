//! `cargo xtask status`: what is fresh, what is not, and why.

use std::collections::BTreeMap;

use firebrand_pipeline::{Result, Slot, escape, to_json};

use crate::config::Config;
use crate::freshness::{Reason, explain};
use crate::lock::Lock;
use crate::print::print;
use crate::programs::Source;
use crate::run_dir::RunDir;
use crate::runner::{Runner, Selection};
use crate::workspace::Workspace;

/// The stages that would run, why, and notes.
#[derive(Debug)]
pub(crate) struct Plan {
    stages: BTreeMap<Slot, Vec<Reason>>,
    notes: Vec<String>,
}

/// Finds out what would run, and why. Nothing is compiled for a run without any results.
///
/// # Errors
/// When a program does not build, or a file that the configuration names cannot be read.
pub(crate) fn plan(config: &Config, selection: &Selection, source: &Source, workspace: &Workspace) -> Result<Plan> {
    let run = RunDir::new(config.run_dir());
    if matches!(source, Source::Cargo(_)) && Slot::ALL.into_iter().all(|slot| !run.stage(slot).exists()) {
        let stages = selection.slots.iter().map(|&slot| (slot, vec![Reason::New])).collect();
        return Ok(Plan { stages, notes: Vec::new() });
    }
    let mut runner = Runner::open(workspace, config, source)?;
    Ok(Plan { stages: runner.plan(selection)?, notes: runner.notes(selection) })
}

/// Prints a plan to stdout; `stale` is the word for a stage that is not fresh.
///
/// # Errors
/// When stdout is closed.
pub(crate) fn print_plan(plan: &Plan, config: &Config, workspace: &Workspace, stale: &str, json: bool) -> Result<()> {
    let run_dir = config.run_dir();
    if json {
        let stages: Vec<_> = plan
            .stages
            .iter()
            .map(|(slot, reasons)| {
                let texts: Vec<_> = reasons.iter().map(Reason::to_string).collect();
                let state = match reasons.as_slice() {
                    [] => "fresh",
                    [Reason::New] => "missing",
                    _ => "stale",
                };
                serde_json::json!({ "name": slot, "state": state, "reasons": texts })
            })
            .collect();
        let all = serde_json::json!({
            "run": config.run, "directory": workspace.show(&run_dir), "stages": stages, "notes": plan.notes,
        });
        return print(to_json(&all)?.trim_end());
    }
    let busy = if Lock::is_taken(&run_dir) { " (at work now)" } else { "" };
    let mut lines = vec![format!("{} in {}{busy}", config.run, workspace.show(&run_dir))];
    for (slot, reasons) in &plan.stages {
        lines.push(match reasons.as_slice() {
            [] => format!("{slot:>10}  fresh"),
            [Reason::New] => format!("{slot:>10}  has not run"),
            reasons => format!("{slot:>10}  {stale}: {}", explain(reasons)),
        });
    }
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    // Names of files and keys come from outside, and must not act on the terminal.
    print(&lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n"))
}
