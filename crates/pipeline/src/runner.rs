//! The runner, as a stage's process knows it.

use std::io::Read;

/// Set by the runner for a stage whose stdin is a pipe that stays open as long as the runner lives.
///
/// A runner that was killed cannot tell its stage to stop, and two processes must never write the same directory.
pub const RUNNER_PIPE: &str = "FIREBRAND_RUNNER_PIPE";

/// From now on this process ends when its runner does. Without a runner nothing is watched.
pub(crate) fn end_with_runner() {
    if std::env::var_os(RUNNER_PIPE).is_none() {
        return;
    }
    std::thread::spawn(|| {
        let mut byte = [0];
        // Nothing is ever sent; what is read is the end.
        while std::io::stdin().read(&mut byte).is_ok_and(|read| read > 0) {}
        std::process::exit(130);
    });
}
