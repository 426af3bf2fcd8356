//! The options of `inspect`.

use std::path::PathBuf;

use clap::Args;

/// The options of `firebrand inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Bundle, or another directory with config.json, weights and tokenizer files
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
