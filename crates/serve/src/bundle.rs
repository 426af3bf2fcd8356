//! Looks at a bundle before anything of it is read, so that a wrong path is called that.

use std::path::Path;

use firebrand_pipeline::{Error, Result};

/// Files that every bundle has.
const NEEDED: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// Checks that the directory is there, with every file that is needed.
///
/// # Errors
/// When it is not; the message says what was found.
pub(crate) fn check(bundle: &Path) -> Result<()> {
    const WHAT: &str = "a bundle is the directory `data/runs/RUN/export/bundle` that `cargo xtask pipeline` makes";
    let shown = bundle.display();
    if !bundle.exists() {
        return Err(Error::data(format!("there is no bundle {shown}")).hint(WHAT));
    }
    if !bundle.is_dir() {
        return Err(Error::data(format!("{shown} is a file, not a bundle")).hint(WHAT));
    }
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !bundle.join(name).is_file()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let error = Error::data(format!("{shown} is not a whole bundle: there is no {}", missing.join(", no ")));
    let inside = ["bundle", "export/bundle"].map(|name| bundle.join(name)).into_iter().find(|inner| inner.is_dir());
    Err(match inside {
        Some(inside) => error.hint(format!("did you mean {}?", inside.display())),
        None => error.hint(WHAT).hint("`cargo xtask stage export --force` makes it again"),
    })
}
