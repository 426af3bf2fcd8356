//! Burn's terminal dashboard, if configured, in builds with the feature `dashboard` and with a terminal on stdout.

use std::io::IsTerminal;

use firebrand_pipeline::{Error, Result};

use crate::Config;

#[cfg(not(feature = "dashboard"))]
mod absent;
#[cfg(not(feature = "dashboard"))]
pub(crate) use absent::Dashboard;

#[cfg(feature = "dashboard")]
mod burn;
#[cfg(feature = "dashboard")]
mod screen;
#[cfg(feature = "dashboard")]
pub(crate) use burn::Dashboard;

/// Refuses a dashboard that this build does not have.
pub(crate) fn check(config: &Config) -> Result<()> {
    if config.dashboard && cfg!(not(feature = "dashboard")) {
        return Err(Error::key("dashboard", "is true, but this build has no dashboard")
            .hint("run `cargo xtask` with `--features dashboard` to compile it in"));
    }
    Ok(())
}

/// Opens the dashboard, if configured and stdout is a terminal. `done` epochs are done already.
pub(crate) fn open(config: &Config, done: u32) -> Option<Dashboard> {
    (config.dashboard && std::io::stdout().is_terminal()).then(|| Dashboard::open(config.epochs, done)).flatten()
}

/// Restores the terminal at once, in a process that is about to exit without unwinding.
pub(crate) fn abandon() {
    #[cfg(feature = "dashboard")]
    screen::give_back();
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    #[test]
    fn a_dashboard_needs_its_feature_and_a_terminal() {
        let config: Config = default_section(Slot::Train).unwrap();
        check(&config).unwrap();
        assert!(open(&config, 0).is_none());
        let wanted = Config { dashboard: true, ..config };
        match cfg!(feature = "dashboard") {
            true => check(&wanted).unwrap(),
            false => {
                let text = check(&wanted).unwrap_err().render();
                assert!(text.contains("`dashboard` is true") && text.contains("--features dashboard"), "{text}");
            }
        }
    }
}
