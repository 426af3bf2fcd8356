//! Ctrl-C stops training after the current step.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use firebrand_pipeline::{on_interrupt, progress};

use crate::dashboard;

static ASKED: AtomicBool = AtomicBool::new(false);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// Installs a handler: the first Ctrl-C (or SIGTERM) is recorded, and a second one exits at once.
pub(crate) fn install() {
    INSTALLED.get_or_init(|| {
        let installed = on_interrupt(|| {
            if ASKED.swap(true, Ordering::SeqCst) {
                dashboard::abandon();
                std::process::exit(130);
            }
            progress::log("   train stopping after this step; press Ctrl-C again to stop at once");
        });
        if let Err(error) = installed {
            progress::log(&format!("   train {error}"));
        }
    });
}

/// Whether training was asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
