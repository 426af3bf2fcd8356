//! Checks a bundle: that it is one, before anything of it is read, and that its parts belong together.

use std::path::Path;

use firebrand_model::Classifier;
use firebrand_pipeline::{Error, Result};
use firebrand_text::TextTokenizer;

/// Files that every bundle has.
const REQUIRED: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

/// Checks that the directory exists and has every required file.
///
/// # Errors
/// When it does not; the message says what was found.
pub(crate) fn check(bundle: &Path) -> Result<()> {
    const WHAT: &str = "a bundle is the directory `data/runs/RUN/export/bundle` that `cargo xtask pipeline` makes";
    let shown = bundle.display();
    if !bundle.exists() {
        return Err(Error::data(format!("there is no bundle {shown}")).hint(WHAT));
    }
    if !bundle.is_dir() {
        return Err(Error::data(format!("{shown} is a file, not a bundle")).hint(WHAT));
    }
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !bundle.join(name).is_file()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let error = Error::data(format!("{shown} is not a complete bundle: there is no {}", missing.join(", no ")));
    let inside = ["bundle", "export/bundle"].map(|name| bundle.join(name)).into_iter().find(|inner| inner.is_dir());
    Err(match inside {
        Some(inside) => error.hint(format!("did you mean {}?", inside.display())),
        None => error.hint(WHAT).hint("`cargo xtask stage export --force` makes it again"),
    })
}

/// Checks that the tokenizer is the model's.
///
/// # Errors
/// When it has token ids or rows that the model has no place for.
pub(crate) fn check_fit(bundle: &Path, classifier: &Classifier, tokenizer: &TextTokenizer) -> Result<()> {
    tokenizer.check_fit(classifier.vocab_size(), classifier.max_length()).map_err(|error| {
        error
            .context(format!("{} is not a valid bundle", bundle.display()))
            .hint("its files are of different models: `cargo xtask stage export --force` makes the bundle again")
    })
}
