//! The options of `predict`.
//!
//! `cargo xtask predict` includes this file, so that both have the same options: it links nothing of this crate.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// The options of `firebrand predict`.
#[derive(Debug, Clone, PartialEq, Args)]
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
    /// Number of labels per text, most likely first [default: 1; with --json all]
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<NonZeroUsize>,
    /// A multi-label model assigns the labels of at least this probability [default: 0.5]
    #[arg(long, value_name = "P")]
    pub(crate) threshold: Option<f32>,
    /// How the model computes: the fastest that the bundle and the processor allow, or one of these
    #[arg(long, default_value = "auto", value_name = "PRECISION")]
    pub(crate) precision: Precision,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Largest number of texts that are read before they are answered
    #[arg(long, value_name = "N", default_value = "512")]
    pub(crate) batch_size: NonZeroUsize,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// The options about files.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct Files {
    /// Classify the rows of this file: CSV or TSV, also compressed with gzip, JSON Lines or Parquet
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with_all = ["texts", "json"])]
    pub(crate) input: Option<PathBuf>,
    /// File to write: .csv, .tsv, .jsonl or .parquet
    ///
    /// Columns that are added: `label` and `score`, with `--top-k N` also `label_2`, `score_2`, …; of a multi-label model
    /// `labels` and `scores`, two lists; and `error`, which says why a row has no prediction. If one of these names is taken,
    /// `predicted_` is put in front of them all.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub(crate) output: Option<PathBuf>,
    /// Column with the texts [default: inferred from the usual names]
    #[arg(long, value_name = "NAME", requires = "input", allow_hyphen_values = true)]
    pub(crate) text_column: Option<String>,
    /// Column with the second texts, for a model of text pairs
    #[arg(long, value_name = "NAME", requires = "input", allow_hyphen_values = true)]
    pub(crate) pair_column: Option<String>,
    /// Add a column for each label with its probability: `score_LABEL`
    #[arg(long, requires = "input")]
    pub(crate) scores: bool,
    /// Classify the I-th of N contiguous parts of the rows, in steps of 256; the rows of the outputs for 1/N to N/N, in this
    /// order, are those of a run without shards
    #[arg(long, value_name = "I/N", requires = "input")]
    pub(crate) shard: Option<Shard>,
    /// Rows after which what is done is saved, in steps of 256; a Parquet output has row groups of as many
    #[arg(long, value_name = "N", default_value = "8192", requires = "input")]
    pub(crate) part_rows: NonZeroUsize,
    /// Discard what an interrupted run has left, and replace an existing output
    #[arg(long, requires = "input")]
    pub(crate) restart: bool,
    /// Field separator of a CSV or TSV file, one ASCII character or `tab` [default: detected]
    #[arg(long, value_name = "CHARACTER", requires = "input", allow_hyphen_values = true)]
    pub(crate) separator: Option<String>,
    /// Quote of a CSV or TSV file, one ASCII character or `none` [default: ", in a TSV detected]
    #[arg(long, value_name = "CHARACTER", requires = "input", allow_hyphen_values = true)]
    pub(crate) quote: Option<String>,
    /// Whether the first line of a CSV or TSV file names the columns; without a header they are called 1, 2, …
    #[arg(long, default_value = "auto", value_name = "WHETHER", requires = "input")]
    pub(crate) header: Header,
    /// Encoding of a text file, such as `windows-1252` [default: UTF-8, or UTF-16 where it is recognised]
    #[arg(long, value_name = "NAME", requires = "input")]
    pub(crate) encoding: Option<String>,
}

/// How a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// The fastest
    Auto,
    /// 8-bit integers, the same on every processor
    Int8,
    /// float32
    Fp32,
}

impl Precision {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Int8 => "int8",
            Self::Fp32 => "fp32",
        }
    }
}

/// Whether a table has a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Header {
    /// Found out
    Auto,
    /// The first line names the columns
    True,
    /// The first line is a row
    False,
}

impl Header {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::True => "true",
            Self::False => "false",
        }
    }
}

/// One of several parts of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Which one, from 1.
    pub(crate) index: u64,
    /// Number of parts.
    pub(crate) count: u64,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("a shard is two numbers, from 1/N to N/N, such as 2/3".to_owned()),
        }
    }
}

impl Predict {
    /// The words behind `firebrand predict` that mean the same.
    #[allow(dead_code, clippy::allow_attributes, reason = "only `cargo xtask predict` and the tests forward arguments")]
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        let mut option = |name: &str, value: OsString| {
            // As one word, because a value may begin with a dash.
            let mut word = OsString::from(format!("--{name}="));
            word.push(value);
            words.push(word);
        };
        self.pair.iter().for_each(|pair| option("pair", pair.into()));
        let text = |value: &dyn ToString| OsString::from(value.to_string());
        let files = &self.files;
        let values = [
            ("top-k", self.top_k.as_ref().map(|count| text(count))),
            ("threshold", self.threshold.as_ref().map(|threshold| text(threshold))),
            ("precision", Some(self.precision.name().into())),
            ("threads", self.threads.as_ref().map(|threads| text(threads))),
            ("batch-size", Some(text(&self.batch_size))),
            ("input", files.input.clone().map(Into::into)),
            ("output", files.output.clone().map(Into::into)),
            ("text-column", files.text_column.clone().map(Into::into)),
            ("pair-column", files.pair_column.clone().map(Into::into)),
            ("shard", files.shard.as_ref().map(|shard| text(shard))),
            ("part-rows", files.input.as_ref().map(|_| text(&files.part_rows))),
            ("separator", files.separator.clone().map(Into::into)),
            ("quote", files.quote.clone().map(Into::into)),
            ("header", files.input.as_ref().map(|_| files.header.name().into())),
            ("encoding", files.encoding.clone().map(Into::into)),
        ];
        values.into_iter().for_each(|(name, value)| value.into_iter().for_each(|value| option(name, value)));
        let flags = [("--json", self.json), ("--scores", files.scores), ("--restart", files.restart)];
        words.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| (*name).into()));
        words.push("--".into());
        words.push((&self.bundle).into());
        words.extend(self.texts.iter().map(Into::into));
        words
    }
}
