//! Ctrl-C, SIGTERM and a terminal that closes.

use crate::{Result, ResultExt};

/// Calls `handler` for each Ctrl-C, SIGTERM or SIGHUP from now on, instead of ending the process.
///
/// A SIGHUP that the process was started to ignore stays ignored: under `nohup` a run outlives its terminal.
///
/// # Errors
/// When the system refuses, or a handler is set already.
pub fn on_interrupt(handler: impl FnMut() + Send + 'static) -> Result<()> {
    let hangup_ignored = hangup::is_ignored();
    ctrlc::set_handler(handler).or_other(|| "cannot listen to Ctrl-C".to_owned())?;
    if hangup_ignored {
        hangup::ignore();
    }
    Ok(())
}

#[cfg(unix)]
mod hangup {
    use nix::sys::signal::{SigHandler, Signal, signal};

    pub(super) fn is_ignored() -> bool {
        let before = ignore();
        if let Some(handler) = before {
            set(handler);
        }
        matches!(before, Some(SigHandler::SigIgn))
    }

    /// Returns what was done before.
    pub(super) fn ignore() -> Option<SigHandler> {
        set(SigHandler::SigIgn)
    }

    fn set(handler: SigHandler) -> Option<SigHandler> {
        // SAFETY: a handler given here is `SigIgn`, or the one that was installed a moment ago.
        unsafe { signal(Signal::SIGHUP, handler) }.ok()
    }
}

#[cfg(not(unix))]
mod hangup {
    pub(super) fn is_ignored() -> bool {
        false
    }

    pub(super) fn ignore() {}
}
