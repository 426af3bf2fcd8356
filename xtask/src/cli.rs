//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::predict::options;

/// Fine-tune a pretrained language model into a text classifier, stage by stage.
///
/// A TOML file describes a run; `configs/default.toml` lists every key. Each stage writes to `data/runs/RUN/STAGE` and runs
/// again only when its configuration, its inputs or its program have changed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100, subcommand_required = true)]
#[command(
    after_help = "Exit codes: 0 success, 2 usage, 3 configuration, 4 data, 5 a quality gate failed, 130 interrupted, 1 \
                        anything else.\nFIREBRAND_LOG sets the level of the log: off, error, warn, info (default), debug, trace."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Directory that relative paths start from [default: the workspace]
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every stage that is not fresh, from raw data to a bundle that is ready to serve.
    ///
    /// Ends with the figures on the test split and the paths of the report and the bundle. After an interruption of any kind,
    /// the same command continues the run.
    Pipeline(Pipeline),
    /// Run one stage on the results of the stages before it.
    Stage(Stage),
    /// Show which stages are fresh, which are not, and why, without running or compiling anything.
    ///
    /// Programs are judged as they were last built. Notes name those that the next run compiles, and for stages of your own
    /// which files are watched for changes.
    Status(Status),
    /// Remove everything that a run has written, but not the download cache.
    CleanRun(Run),
    /// Create a crate with a stage of your own, ready to be changed.
    NewStage(NewStage),
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
    Predict(Box<PredictCommand>),
    /// Inspect pretrained models.
    #[command(subcommand)]
    Model(Model),
    /// Run the criterion benchmarks.
    ///
    /// They are compiled in the profile of the stages, so they measure what runs, and dependencies are compiled only once;
    /// `cargo bench` would compile all of them again. Results are kept in `criterion/` in cargo's target directory, and the
    /// next run reports changes. `scripts/compare_trainer.py` compares with Python's transformers.
    Bench(Bench),
}

/// The run that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Configuration of the run
    #[arg(default_value = "configs/quickstart.toml")]
    pub(crate) config: PathBuf,
    /// Override a key of the configuration, as in `--set train.learning_rate=3e-5`; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Where the stages' programs come from.
#[derive(Debug, Args)]
pub(crate) struct Programs {
    /// Build the stages with these cargo features: `cuda` for NVIDIA GPUs
    #[arg(long, value_delimiter = ',', value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
    /// Run the stages' programs from this directory instead of building them [env: FIREBRAND_BIN_DIR]
    #[arg(long, value_name = "DIR", conflicts_with = "features")]
    pub(crate) bin_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Pipeline {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Start at this stage and use the results of earlier ones as they are
    #[arg(long, value_name = "STAGE", conflicts_with = "only")]
    pub(crate) from: Option<String>,
    /// Stop after this stage
    #[arg(long, value_name = "STAGE", conflicts_with = "only")]
    pub(crate) to: Option<String>,
    /// Run only this stage, on the results of earlier ones
    #[arg(long, value_name = "STAGE")]
    pub(crate) only: Option<String>,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Stage {
    /// fetch, clean, split, augment, tokenize, train, evaluate or export
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How stages run.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Run stages even if they are fresh
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would run, and why, without running it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object: run, stages, test, report, bundle
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) programs: Programs,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Print one JSON object: run, directory, stages, notes
    #[arg(long)]
    pub(crate) json: bool,
    /// Judge by the programs in this directory instead of those that were last built [env: FIREBRAND_BIN_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NewStage {
    /// Slot to fill: fetch, clean, split, augment, tokenize, train, evaluate or export
    pub(crate) slot: String,
    /// Name of the new crate, which is written to `crates/NAME`
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct PredictCommand {
    // First, because the options of `predict` end with a heading.
    #[command(flatten)]
    pub(crate) programs: Programs,
    #[command(flatten)]
    pub(crate) predict: options::Predict,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Describe a pretrained model: family, sizes, parameters, tensors, tokenizer, licence and head.
    ///
    /// A local directory is read in place; a model on the Hugging Face hub is downloaded into the hub's cache first.
    /// HF_HUB_OFFLINE, HF_HOME, HF_TOKEN and HF_ENDPOINT are honoured.
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Directory with config.json, weights and tokenizer files, or a model on the hub: `org/name` or `org/name@revision`
    #[arg(value_name = "PATH_OR_HUB_NAME")]
    pub(crate) model: String,
    /// Describe a new head for this many labels [default: 2]
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<u16>,
    /// Print one JSON object: directory, commit, model, tokenizer, tokenizer_problem, licence, licence_text, labels
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) programs: Programs,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Suite to run [default: all]
    pub(crate) suite: Option<Suite>,
    /// Run only benchmarks whose names contain this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
}

/// The benchmarks of a crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// The kernels, on slices
    Kernels,
    /// Fused operations, next to Burn's own
    Fused,
    /// Batching, the forward pass, and attention over the length of a text
    Model,
    /// The training step
    Train,
    /// Evaluation of many rows with many labels: time and memory.
    Evaluate,
}

impl Suite {
    /// The benchmark targets of the suite; no other crate has a target of these names.
    pub(crate) fn targets(self) -> &'static [&'static str] {
        match self {
            Self::Kernels => &["inference", "kernels"],
            Self::Fused => &["operations", "step"],
            Self::Model => &["batching", "forward", "length"],
            Self::Train => &["training"],
            Self::Evaluate => &["many_labels"],
        }
    }
}
