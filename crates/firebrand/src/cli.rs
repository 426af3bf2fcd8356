//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Classifies texts with a bundle made by `cargo xtask pipeline`.
#[derive(Debug, Parser)]
#[command(name = "firebrand", version, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Classify texts with an exported bundle.
    ///
    /// Prints one line per text, in order: LABEL, SCORE and TEXT, separated by tabs; with `--top-k N`, N pairs of LABEL and
    /// SCORE, then TEXT. Scores are probabilities. A multi-label model prints all its labels; a * after the SCORE marks those
    /// that it assigns.
    ///
    /// Tabs, line breaks and other control characters in labels and texts are printed as spaces; `--json` keeps them. A text
    /// that cannot be classified (not UTF-8, a pair without a tab) has an empty LABEL and SCORE; stderr says why, and the exit
    /// code is 4.
    #[command(after_help = "Examples:\n  \
        firebrand predict bundle \"a lovely film\" \"a dull plot\"\n  \
        firebrand predict bundle \"is it raining\" --pair \"it rains\"\n  \
        firebrand predict bundle --json < reviews.txt\n  \
        firebrand predict bundle -- \"--a text that begins with a dash\"")]
    Predict(Predict),
}

// `cargo xtask predict` repeats these options: it links nothing of this crate.
#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Directory with config.json, model.safetensors and tokenizer files
    pub(crate) bundle: PathBuf,
    /// Texts to classify; without any, one per line of stdin. For a model of text pairs, separate the two texts with a tab
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// Second text of a pair, for a model of text pairs; once per TEXT, in order
    #[arg(long, value_name = "TEXT", requires = "texts")]
    pub(crate) pair: Vec<String>,
    /// Print one JSON object per text: {"text", "label", "score", "scores": [{"label", "score"}, …]}; for a multi-label
    /// model "labels": […] instead of "label" and "score". Where it applies also "pair"; "empty": true if nothing of the text
    /// is left after cleaning; "truncated_tokens"; and "error" instead of labels and scores.
    #[arg(long)]
    pub(crate) json: bool,
    /// Device to run on: flex (CPU), ndarray (CPU), cuda, cuda:N
    #[arg(long, default_value = "flex")]
    pub(crate) device: String,
    /// Largest number of texts per batch
    #[arg(long, value_name = "N", default_value = "32")]
    pub(crate) batch_size: NonZeroUsize,
    /// Number of labels to print per text, most likely first [default: 1; with --json all]
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<NonZeroUsize>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
