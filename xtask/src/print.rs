//! Prints to stdout, which is for data only.

use std::io::Write;

use firebrand_pipeline::{Result, ResultExt};

/// Prints a text and a newline.
///
/// # Errors
/// When stdout is closed.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).or_other(|| "cannot write to stdout".to_owned())
}
