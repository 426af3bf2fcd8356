//! Ctrl-C: the stage decides how it ends; the runner waits for it and passes the signal on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use firebrand_pipeline::{Error, ErrorKind, Result, on_interrupt};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The process group of the stage that runs.
static CHILD: Mutex<Option<u32>> = Mutex::new(None);

/// From now on Ctrl-C, SIGTERM and a terminal that closes no longer end this process, but ask it to end.
///
/// A stage has a process group of its own, so that it gets each signal once, whoever sent it: a terminal, which signals
/// the whole foreground group, or a supervisor, which signals the runner alone.
pub(crate) fn install() -> Result<()> {
    on_interrupt(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if let Some(group) = *child() {
            pass_on(group);
        }
    })
}

/// The stage that signals are passed on to. While the guard lives none is.
pub(crate) fn child() -> MutexGuard<'static, Option<u32>> {
    CHILD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an end was asked for.
pub(crate) fn asked() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// An error if an end was asked for.
pub(crate) fn check() -> Result<()> {
    if asked() { Err(error()) } else { Ok(()) }
}

/// What is said at the end of an interrupted run.
pub(crate) fn error() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted").hint("the same command goes on from here")
}

#[cfg(unix)]
fn pass_on(group: u32) {
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    if let Ok(group) = i32::try_from(group) {
        // It may have ended just now.
        let _ = killpg(Pid::from_raw(group), Signal::SIGINT);
    }
}

/// Elsewhere the console tells the stage itself.
#[cfg(not(unix))]
fn pass_on(_group: u32) {}
