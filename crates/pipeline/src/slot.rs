//! The slots of the pipeline: what each stage reads, and what it must write.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A slot of the pipeline, to be filled by a stage. [`Slot::inputs`] and [`Slot::outputs`] define the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Copies or downloads raw data and a pretrained model.
    Fetch,
    /// Turns raw files into rows of text and labels.
    ///
    /// `examples.parquet`, here and in the slots that follow, has the columns `text` and `labels` (or `label`), and may have
    /// `id`, `pair` (a second text: then every row has one, and `text.json` says `"pairs": true`), `group`, `weight` and
    /// `part`. The crate `firebrand-dataset` says which types they may have.
    Clean,
    /// Splits rows into training, validation and test rows.
    Split,
    /// Adds augmented variants to the training rows.
    Augment,
    /// Turns texts into token ids.
    Tokenize,
    /// Fine-tunes the model.
    Train,
    /// Evaluates the model and its baselines.
    Evaluate,
    /// Writes the bundle that is deployed.
    Export,
}

/// A file or directory that the stage of a slot writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Path relative to the stage's directory.
    pub path: &'static str,
    /// What a well-formed one is.
    pub kind: OutputKind,
    /// Whether a stage must write it.
    pub required: bool,
}

/// The kind of an output, by which the runner checks that it is well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// A Parquet file (magic numbers at both ends).
    Parquet,
    /// One JSON document.
    Json,
    /// One JSON document per line.
    JsonLines,
    /// A non-empty file of any kind.
    File,
    /// A directory with at least one file in it.
    Directory,
}

const fn required(path: &'static str, kind: OutputKind) -> Output {
    Output { path, kind, required: true }
}

const fn optional(path: &'static str, kind: OutputKind) -> Output {
    Output { path, kind, required: false }
}

impl Slot {
    /// Every slot, in the order in which they run.
    pub const ALL: [Slot; 8] = [
        Self::Fetch,
        Self::Clean,
        Self::Split,
        Self::Augment,
        Self::Tokenize,
        Self::Train,
        Self::Evaluate,
        Self::Export,
    ];

    /// The slots whose directories this one reads.
    pub const fn inputs(self) -> &'static [Slot] {
        match self {
            Self::Fetch => &[],
            Self::Clean => &[Self::Fetch],
            Self::Split => &[Self::Clean],
            Self::Augment => &[Self::Split],
            Self::Tokenize => &[Self::Fetch, Self::Clean, Self::Split, Self::Augment],
            Self::Train => &[Self::Fetch, Self::Clean, Self::Tokenize],
            Self::Evaluate => &[Self::Clean, Self::Split, Self::Augment, Self::Tokenize, Self::Train],
            Self::Export => &[Self::Fetch, Self::Clean, Self::Tokenize, Self::Train, Self::Evaluate],
        }
    }

    /// What the stage writes, apart from `manifest.json`.
    pub const fn outputs(self) -> &'static [Output] {
        use OutputKind::{Directory, File, Json, JsonLines, Parquet};
        match self {
            Self::Fetch => {
                const { &[required("raw", Directory), required("pretrained", Directory), optional("source.json", Json)] }
            }
            Self::Clean => {
                const {
                    &[
                        required("examples.parquet", Parquet),
                        required("labels.json", Json),
                        optional("text.json", Json),
                        optional("report.json", Json),
                    ]
                }
            }
            Self::Split => {
                const {
                    &[
                        required("train.parquet", Parquet),
                        required("validation.parquet", Parquet),
                        required("test.parquet", Parquet),
                        optional("report.json", Json),
                    ]
                }
            }
            Self::Augment => const { &[required("train.parquet", Parquet), optional("report.json", Json)] },
            Self::Tokenize => {
                const {
                    &[
                        required("train.parquet", Parquet),
                        required("validation.parquet", Parquet),
                        required("test.parquet", Parquet),
                        required("tokenizer", Directory),
                        optional("report.json", Json),
                    ]
                }
            }
            Self::Train => {
                const {
                    &[
                        required("model", Directory),
                        required("metrics.jsonl", JsonLines),
                        optional("summary.json", Json),
                    ]
                }
            }
            Self::Evaluate => {
                const {
                    &[
                        required("metrics.json", Json),
                        required("predictions.parquet", Parquet),
                        optional("reference.json", Json),
                        optional("confusion.svg", File),
                        optional("report.html", File),
                    ]
                }
            }
            Self::Export => const { &[required("bundle", Directory), required("parity.json", Json)] },
        }
    }

    /// The slot's name: of its configuration section, of its directory, and the suffix of the built-in package.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Clean => "clean",
            Self::Split => "split",
            Self::Augment => "augment",
            Self::Tokenize => "tokenize",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Export => "export",
        }
    }

    /// The package that fills the slot unless the configuration names another one.
    pub fn default_package(self) -> String {
        format!("firebrand-{}", self.name())
    }

    /// Whether the stage may go on from what an interrupted run with the same inputs left (see
    /// [`Request::resume`](crate::Request::resume)).
    pub const fn resumable(self) -> bool {
        matches!(self, Self::Train)
    }

    /// Whether a result that a new one replaces is kept beside it: training is what takes hours.
    pub const fn keeps_previous(self) -> bool {
        matches!(self, Self::Train)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Slot {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|slot| slot.name() == name).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|slot| slot.name()).collect();
            Error::usage(format!("there is no stage `{name}`")).hint(format!("the stages are: {}", all.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_earlier() {
        for slot in Slot::ALL {
            for input in slot.inputs() {
                assert!(*input < slot, "{slot} reads {input}");
            }
        }
    }

    #[test]
    fn names_parse_back() {
        for slot in Slot::ALL {
            assert_eq!(slot.name().parse::<Slot>().unwrap(), slot);
        }
        assert!("trian".parse::<Slot>().is_err());
    }
}
