//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Answers texts with labels, from a bundle that `cargo xtask pipeline` has made.
#[derive(Debug, Parser)]
#[command(name = "firebrand-serve", version, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints the labels of texts, one text a line.
    ///
    /// A line is LABEL, SCORE and TEXT with tabs between them; with `--top-k N`, N times LABEL and SCORE before the TEXT. The
    /// scores of all labels add up to 1. Line n of the output belongs to text n, and to line n of stdin.
    #[command(after_help = "Examples:\n  \
        firebrand-serve predict bundle \"a lovely film\" \"a dull plot\"\n  \
        firebrand-serve predict bundle \"is it raining\" --pair \"it rains\"\n  \
        firebrand-serve predict bundle --json < reviews.txt\n  \
        firebrand-serve predict bundle -- \"--a text that begins with a dash\"")]
    Predict(Predict),
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The bundle: a directory with config.json, model.safetensors and tokenizer files.
    pub(crate) bundle: PathBuf,
    /// The texts; without any, they are read from stdin, one a line. Of a model for pairs of texts: each a pair, with a tab
    /// between the two.
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// The second text of a pair, for a model that was trained on pairs; once for each TEXT, in their order.
    #[arg(long, value_name = "TEXT", requires = "texts")]
    pub(crate) pair: Vec<String>,
    /// Prints one JSON object per text: {"text", "label", "score", "scores": [{"label", "score"}, …]}.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the model runs: flex (CPU), ndarray (CPU), cuda, cuda:N.
    #[arg(long, default_value = "flex")]
    pub(crate) device: String,
    /// How many texts are answered together, at most.
    #[arg(long, value_name = "N", default_value = "32")]
    pub(crate) batch_size: NonZeroUsize,
    /// How many labels are shown for a text, most likely first [default: 1; with --json all].
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
