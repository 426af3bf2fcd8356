//! The command line.

mod inspect;
mod onnx;
mod predict;

use clap::{Parser, Subcommand};

pub(crate) use inspect::Inspect;
pub(crate) use onnx::{Onnx, OnnxPrecision};
pub(crate) use predict::{Files, Header, Precision, Predict, Shard};

/// Classifies texts with a fine-tuned model.
#[derive(Debug, Parser)]
#[command(name = "firebrand", version, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Classify texts, or the rows of a file, with an exported bundle.
    ///
    /// Prints one line per text, in order: LABEL, SCORE and TEXT, separated by tabs; with `--top-k N`, N pairs of LABEL and
    /// SCORE, then TEXT. Scores are probabilities. A multi-label model prints all its labels; a * after the SCORE marks those
    /// that it assigns.
    ///
    /// Tabs, line breaks and other control characters in labels and texts are printed as spaces; `--json` keeps them. A text
    /// that cannot be classified (not UTF-8, a pair without a tab) has an empty LABEL and SCORE; stderr says why, and the exit
    /// code is 4.
    ///
    /// With `--input` and `--output`, the rows of a file are classified: its columns are kept, and the predicted ones are
    /// added behind them. A run that was interrupted continues where it stopped when the same command is given again.
    #[command(after_help = "Examples:\n  \
        firebrand predict bundle \"a lovely film\" \"a dull plot\"\n  \
        firebrand predict bundle \"is it raining\" --pair \"it rains\"\n  \
        firebrand predict bundle --json < reviews.txt\n  \
        firebrand predict bundle -- \"--a text that begins with a dash\"\n  \
        firebrand predict bundle --input reviews.csv --output predicted.parquet")]
    Predict(Box<Predict>),
    /// Describe a bundle, or another directory with a model in the hub's layout.
    Inspect(Inspect),
    /// Write a model as ONNX, for other engines: model.onnx, model_fp16.onnx and model_quantized.onnx.
    ///
    /// Inputs are the token ids, not texts: cleaning and tokenizing stay with the caller. Prints each file with its size. A model above
    /// 2 GB has its weights in a second file, which must stay beside the first.
    #[command(after_help = "Examples:\n  \
        firebrand onnx bundle\n  \
        firebrand onnx bundle --precision int8 --output served")]
    Onnx(Onnx),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn parse(words: &[&str]) -> Predict {
        match Cli::try_parse_from([&["firebrand", "predict"], words].concat()).unwrap().command {
            Command::Predict(arguments) => *arguments,
            Command::Inspect(_) | Command::Onnx(_) => panic!("not `predict`"),
        }
    }

    #[test]
    fn forwarded_arguments_are_the_same_again() {
        for words in [
            &["bundle"][..],
            &["bundle", "--json", "--top-k", "3", "--batch-size", "8", "--pair=-c", "--pair", "d", "--", "a", "-b"],
            &["bundle", "--input=-a.csv", "--output", "b", "--scores", "--threshold", "0.25", "--shard", "2/3"],
            &["bundle", "--input", "a", "--output", "b", "--text-column", "-t", "--pair-column=p", "--restart"],
            &["bundle", "--input", "a", "--output", "b", "--separator", ";", "--quote", "none", "--header", "false"],
            &[
                "bundle",
                "--encoding",
                "koi8-r",
                "--input",
                "a",
                "--output",
                "b",
                "--precision",
                "int8",
                "--threads",
                "2",
            ],
        ] {
            let parsed = parse(words);
            let forwarded: Vec<String> =
                parsed.arguments().into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(parse(&forwarded.iter().map(String::as_str).collect::<Vec<_>>()), parsed, "{forwarded:?}");
        }
    }
}
