//! `cargo xtask clean-run`: removes everything that a run has written.

use firebrand_pipeline::{Result, Slot};

use crate::config::Config;
use crate::lock::Lock;
use crate::print::print;
use crate::run_dir::{self, RunDir};
use crate::workspace::Workspace;

/// Removes the run's directory and says what was in it. The download cache stays, so a new run need not download again.
///
/// # Errors
/// When the system refuses.
pub(crate) fn clean(config: &Config, workspace: &Workspace) -> Result<()> {
    let run = RunDir::new(config.run_dir());
    let shown = workspace.show(run.path());
    if !run.path().exists() {
        return print(&format!("nothing to remove: {shown} is not there"));
    }
    let lock = Lock::take(run.path())?;
    let mut removed = Vec::new();
    for slot in Slot::ALL {
        if run.discard(slot)? {
            removed.push(slot.name());
        }
    }
    run_dir::remove(&run.hashes())?;
    run_dir::remove(&run.path().join("requests"))?;
    lock.remove()?;
    // The directory stays if it holds files of the user's own.
    let whole = std::fs::remove_dir(run.path()).is_ok();
    let stages = if removed.is_empty() { "no stage".to_owned() } else { removed.join(", ") };
    print(&format!("removed {stages} from {shown}"))?;
    let kept = workspace.show(&config.cache_dir());
    print(&if whole {
        format!("kept the cache in {kept}")
    } else {
        format!("kept the cache in {kept}, and files in {shown} that are not the run's")
    })
}
