//! Why a single text is not answered, while the others are.

use std::error::Error;
use std::fmt::{self, Display};

/// What a model was trained on, and what a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// Single texts.
    Single,
    /// Pairs of texts.
    Pairs,
}

/// Why a text is not answered.
///
/// Displayed as a predicate, to be put behind the text's number: "is not UTF-8: byte 4 cannot be read".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The query is a single text and the model expects pairs, or the other way round.
    Kind {
        /// What the model was trained on.
        expected: InputKind,
    },
    /// The text is not UTF-8; the first invalid byte, counted from 1.
    NotUtf8(usize),
    /// The line has more bytes than this.
    TooLong(usize),
    /// The tokenizer has no tokens for the text; what it says.
    Tokenizer(String),
    /// The model's scores are not finite numbers.
    NotFinite,
}

impl Refusal {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Kind { expected: InputKind::Pairs } => {
                "put the second text behind the first with a tab between them, or give it with `--pair`"
            }
            Self::Kind { expected: InputKind::Single } => "leave `--pair` out",
            Self::NotUtf8(_) => "convert the texts first, from Latin-1 for example: `iconv -f latin1 -t utf-8 FILE`",
            Self::TooLong(_) => {
                "put one text on each line, or shorten it: the model reads no more than its first tokens"
            }
            Self::Tokenizer(_) => {
                "the bundle's tokenizer may be damaged: `cargo xtask stage export --force` makes it again"
            }
            Self::NotFinite => {
                "its weights are damaged, or training has diverged: train it again with a lower learning rate"
            }
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { expected: InputKind::Pairs } => {
                f.write_str("is a single text, but the model was trained on pairs of texts")
            }
            Self::Kind { expected: InputKind::Single } => {
                f.write_str("is a pair of texts, but the model was trained on single texts")
            }
            Self::NotUtf8(byte) => write!(f, "is not UTF-8: byte {byte} cannot be read"),
            Self::TooLong(most) => write!(f, "is longer than {most} bytes"),
            Self::Tokenizer(problem) => write!(f, "cannot be tokenized: {problem}"),
            Self::NotFinite => f.write_str("gets scores from the model that are not finite numbers"),
        }
    }
}

impl Error for Refusal {}
