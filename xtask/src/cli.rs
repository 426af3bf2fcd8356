//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Fine-tunes a pretrained language model into a text classifier, stage by stage.
///
/// A run is described by a TOML file; `configs/default.toml` shows every key. What a stage makes lies in
/// `data/runs/RUN/STAGE`, and a stage runs again only when its configuration, its inputs or its program changed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Directory that relative paths start from [default: the workspace].
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs every stage that is not fresh, from raw data to a bundle that is ready to serve.
    ///
    /// Ends with the figures on the test rows, and where the report and the bundle are. A run that was interrupted,
    /// however it was, goes on with the same command.
    Pipeline(Pipeline),
    /// Runs one stage, on what the stages before it have left.
    Stage(Stage),
    /// Says which stages are fresh, which are not, and why. Runs nothing.
    Status(Status),
    /// Removes what a run made. The cache of downloads stays.
    CleanRun(Run),
    /// Writes a crate that fills a slot of the pipeline, ready to be changed.
    NewStage(NewStage),
    /// Predicts the labels of texts with an exported bundle.
    ///
    /// Prints one line for each text, in their order: LABEL, SCORE and TEXT, separated by tabs; with `--top-k N`, N times LABEL
    /// and SCORE, then TEXT. Scores are probabilities. A multi-label model prints all its labels; a * behind the SCORE marks
    /// those that it assigns.
    ///
    /// Tabs, line breaks and other control characters in labels and texts are printed as spaces; `--json` has them as they
    /// are. A text that cannot be classified (not UTF-8, a pair without a tab) has an empty LABEL and SCORE; stderr says why,
    /// and the exit code is 4.
    Predict(Predict),
    /// Questions about pretrained models.
    #[command(subcommand)]
    Model(Model),
    /// Runs the benchmarks, by criterion.
    ///
    /// They are compiled as the stages are: what is measured is what runs, and burn is compiled once. So it is not `cargo
    /// bench`, whose profile would compile every dependency anew. Their figures stay in `criterion/` of cargo's target
    /// directory, and the next run says what changed. The comparison with Python's transformers is `scripts/compare_trainer.py`.
    Bench(Bench),
}

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The run's configuration.
    #[arg(default_value = "configs/quickstart.toml")]
    pub(crate) config: PathBuf,
    /// Sets a key, over the configuration file: `--set train.learning_rate=3e-5`. May be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Where the stages' programs come from.
#[derive(Debug, Args)]
pub(crate) struct Programs {
    /// Builds the stages with these cargo features: `cuda` for NVIDIA GPUs.
    #[arg(long, value_delimiter = ',', value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
    /// Takes the stages' programs from this directory rather than building them.
    #[arg(long, value_name = "DIR", conflicts_with = "features")]
    pub(crate) bin_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Pipeline {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Starts at this stage; those before it are used as they are.
    #[arg(long, value_name = "STAGE", conflicts_with = "only")]
    pub(crate) from: Option<String>,
    /// Ends after this stage.
    #[arg(long, value_name = "STAGE", conflicts_with = "only")]
    pub(crate) to: Option<String>,
    /// Runs only this stage, on what the stages before it have left.
    #[arg(long, value_name = "STAGE")]
    pub(crate) only: Option<String>,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Stage {
    /// The stage: fetch, clean, split, augment, tokenize, train, evaluate or export.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How stages run.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Runs stages even if they are fresh.
    #[arg(long)]
    pub(crate) force: bool,
    /// Says what would run, and why, and runs nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Prints one JSON object on stdout: run, stages, test, report, bundle.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) programs: Programs,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Prints one JSON object on stdout: run, directory, stages.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) programs: Programs,
}

#[derive(Debug, Args)]
pub(crate) struct NewStage {
    /// The slot to fill: fetch, clean, split, augment, tokenize, train, evaluate or export.
    pub(crate) slot: String,
    /// The new crate's name; it is written to `crates/NAME`.
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// The bundle: a directory with config.json, model.safetensors and tokenizer files.
    pub(crate) bundle: PathBuf,
    /// The texts; without any, they are read from stdin, one per line. For a model of text pairs: both texts with a tab
    /// between them.
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// The second text of a pair, for a model of text pairs; once for each TEXT, in the same order.
    #[arg(long, value_name = "TEXT", requires = "texts")]
    pub(crate) pair: Vec<String>,
    /// Prints one JSON object per text: {"text", "label", "score", "scores": [{"label", "score"}, …]}; for a multi-label
    /// model "labels": […] instead of "label" and "score". Where it applies also "pair"; "empty": true if nothing of the text
    /// is left after cleaning; "truncated_tokens"; and "error" instead of labels and scores.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the model runs: flex (CPU), ndarray (CPU), cuda, cuda:N [default: flex].
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// The largest number of texts in a batch [default: 32].
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// How many labels are shown for a text, most likely first [default: 1; with --json all].
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<usize>,
    #[command(flatten)]
    pub(crate) programs: Programs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Says what a pretrained model is: family, sizes, parameters, tensors, tokenizer, licence, and its head.
    ///
    /// A directory is read in place. A model of the Hugging Face hub is fetched into the hub's own cache first;
    /// HF_HUB_OFFLINE, HF_HOME, HF_TOKEN and HF_ENDPOINT are honoured.
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A directory with config.json, weights and tokenizer files, or a model's name on the hub: `org/name`,
    /// `org/name@revision`.
    #[arg(value_name = "PATH_OR_HUB_NAME")]
    pub(crate) model: String,
    /// For how many labels a new head is described [default: 2].
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<u16>,
    /// Prints one JSON object: directory, commit, model, tokenizer, tokenizer_problem, licence, licence_text, labels.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) programs: Programs,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Which of them [default: all].
    pub(crate) suite: Option<Suite>,
    /// Only the benchmarks whose names contain this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
}

/// The benchmarks of a crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// The fused operations, beside those that Burn has.
    Kernels,
    /// Batching, the forward pass, and attention over the length of a text.
    Model,
    /// The training step.
    Train,
    /// Evaluation of many rows with many labels: time and memory.
    Evaluate,
}

impl Suite {
    /// Its benchmarks' targets; no other crate has any of these names.
    pub(crate) fn targets(self) -> &'static [&'static str] {
        match self {
            Self::Kernels => &["kernels", "operations", "step"],
            Self::Model => &["batching", "forward", "length"],
            Self::Train => &["training"],
            Self::Evaluate => &["many_labels"],
        }
    }
}
