//! Ctrl-C: the runner forwards it to the running stage, which decides how to stop, and waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use firebrand_pipeline::{Error, ErrorKind, Result, on_interrupt};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The process group of the running stage.
static CHILD: Mutex<Option<u32>> = Mutex::new(None);

/// Makes Ctrl-C, SIGTERM and a closing terminal request a stop instead of ending this process.
///
/// A stage has a process group of its own, so that it gets each signal once, whether a terminal sent it, to the whole
/// foreground group, or a supervisor, to the runner alone.
pub(crate) fn install() -> Result<()> {
    on_interrupt(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if let Some(group) = *child() {
            forward(group);
        }
    })
}

/// The stage that signals are forwarded to. None is while the guard is held.
pub(crate) fn child() -> MutexGuard<'static, Option<u32>> {
    CHILD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// An error if the user asked to stop.
pub(crate) fn check() -> Result<()> {
    if requested() { Err(error()) } else { Ok(()) }
}

/// The error that an interrupted run ends with.
pub(crate) fn error() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted").hint("the same command continues from here")
}

#[cfg(unix)]
fn forward(group: u32) {
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    if let Ok(group) = i32::try_from(group) {
        // It may have exited just now.
        let _ = killpg(Pid::from_raw(group), Signal::SIGINT);
    }
}

/// Elsewhere the console signals the stage itself.
#[cfg(not(unix))]
fn forward(_group: u32) {}
