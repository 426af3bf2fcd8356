//! The model's own tokenizer, made to cut to one length and never to pad.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use tokenizers::{
    EncodeInput, Encoding, PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy,
};

use crate::files::{self, Facts};

/// A tokenizer in the hub's layout, read from and written to a directory.
///
/// It can be shared between threads.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    /// The same without truncation. The library stops as soon as a row is full, so what it reports as overflowing is not
    /// all that was cut.
    whole: Tokenizer,
    /// Where it was read from: what it does not change is copied from there.
    source: PathBuf,
    /// `tokenizer_config.json`.
    config: Map<String, Value>,
    max_length: usize,
    vocab_size: usize,
    unknown_id: Option<u32>,
    padding_side: Side,
}

/// An end of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The start of the text.
    Left,
    /// The end of the text.
    Right,
}

/// A text as the model takes it: special tokens included, cut to the longest length, not padded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Ids in the model's vocabulary.
    pub ids: Vec<u32>,
    /// Segment of each token: as long as `ids`.
    pub type_ids: Vec<u32>,
    /// Tokens of the text that did not fit.
    pub cut: u32,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`, and `tokenizer_config.json` where there is one.
    ///
    /// Rows are cut to `max_length` tokens, special tokens included; `None` takes the length from `tokenizer_config.json`,
    /// else the one that `tokenizer.json` itself cuts to. Padding and truncation baked into `tokenizer.json` do not count
    /// otherwise.
    ///
    /// # Errors
    /// When there is no `tokenizer.json` (the message says what was found), a file is not valid, no length is known, or it
    /// leaves no room beside the special tokens.
    pub fn read(directory: &Path, max_length: Option<usize>) -> Result<Self> {
        let (mut tokenizer, facts) = files::read_tokenizer(directory)?;
        let config = files::read_config(directory)?;
        let given = max_length.is_some();
        let max_length = match max_length.or_else(|| files::model_max_length(&config)).or(facts.truncated_to) {
            Some(length) => length,
            None => return Err(files::no_length(directory)),
        };
        let special = special_tokens(&tokenizer, false);
        if max_length <= special {
            let problem = format!("is {max_length}, but the tokenizer adds {special} special tokens to every text");
            return Err(if given {
                Error::key("max_length", problem)
            } else {
                Error::data(format!("the longest row of the tokenizer in {} {problem}", directory.display()))
            }
            .hint("let it be longer: sentences take some 30 tokens, paragraphs some 200"));
        }
        let truncation = TruncationParams {
            direction: match files::side(directory, &config, "truncation_side")? {
                Side::Left => TruncationDirection::Left,
                Side::Right => TruncationDirection::Right,
            },
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| failed(&*error))?;
        let whole = tokenizer.clone();
        tokenizer.with_truncation(Some(truncation)).map_err(|error| failed(&*error))?;
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let unknown_id = unknown_id(&tokenizer, &facts, &config);
        let padding_side = files::side(directory, &config, "padding_side")?;
        Ok(Self {
            tokenizer,
            whole,
            source: directory.to_owned(),
            config,
            max_length,
            vocab_size,
            unknown_id,
            padding_side,
        })
    }

    /// The longest row, in tokens, special tokens included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// One more than the largest id: the rows that a model's token table must have at least.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The id of what the vocabulary has no token for; `None` where every text has tokens (byte-level tokenizers).
    pub fn unknown_id(&self) -> Option<u32> {
        self.unknown_id
    }

    /// The side on which the model expects padding.
    pub fn padding_side(&self) -> Side {
        self.padding_side
    }

    /// Encodes one text.
    ///
    /// # Errors
    /// When the tokenizer has no way to write the text: no token for unknown characters, for example.
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| failed(&*error))?;
        self.encoded(&encoding, &[text])
    }

    /// Encodes a pair of texts as one row. Where it is too long, the longer of the two is cut first.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or when the special tokens of a pair alone fill a row.
    pub fn encode_pair(&self, first: &str, second: &str) -> Result<Encoded> {
        let special = special_tokens(&self.tokenizer, true);
        if self.max_length <= special {
            return Err(Error::data(format!(
                "a pair of texts has {special} special tokens, but a row has no more than {}",
                self.max_length
            )));
        }
        let encoding =
            self.tokenizer.encode_fast(EncodeInput::from((first, second)), true).map_err(|error| failed(&*error))?;
        self.encoded(&encoding, &[first, second])
    }

    /// Encodes several texts, on all cores.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Encoded>> {
        let encodings = self.tokenizer.encode_batch_fast(texts.to_vec(), true).map_err(|error| failed(&*error))?;
        encodings.iter().zip(texts).map(|(encoding, text)| self.encoded(encoding, &[text])).collect()
    }

    /// Writes what transformers' `AutoTokenizer` and [`read`](Self::read) need: `tokenizer.json` without padding and
    /// truncation, so that every reader chooses for itself; `tokenizer_config.json` with the length used here as
    /// `model_max_length`, other keys as they were; and, where the source has them, the special tokens' and vocabulary's files.
    ///
    /// # Errors
    /// When the source is gone or the system refuses.
    pub fn write(&self, directory: &Path) -> Result<()> {
        files::write(&self.source, directory, &self.config, self.max_length)
    }

    fn encoded(&self, encoding: &Encoding, texts: &[&str]) -> Result<Encoded> {
        let mut cut = 0;
        // A row that is not full has lost nothing.
        if encoding.len() >= self.max_length {
            for text in texts {
                cut += content(&self.whole.encode_fast(*text, false).map_err(|error| failed(&*error))?);
            }
            cut = cut.saturating_sub(content(encoding));
        }
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            cut: u32::try_from(cut).unwrap_or(u32::MAX),
        })
    }
}

/// How many special tokens a row of one text, or of a pair, has.
fn special_tokens(tokenizer: &Tokenizer, pair: bool) -> usize {
    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
}

/// Tokens that come from the text.
fn content(encoding: &Encoding) -> usize {
    encoding.get_special_tokens_mask().iter().filter(|&&special| special == 0).count()
}

/// The id for what is not in the vocabulary, by the model in `tokenizer.json`, else by the configuration's name for it.
fn unknown_id(tokenizer: &Tokenizer, facts: &Facts, config: &Map<String, Value>) -> Option<u32> {
    let configured = config.get("unk_token").and_then(|token| token.get("content").unwrap_or(token).as_str());
    if facts.byte_level {
        return None;
    }
    facts
        .unknown_id
        .or_else(|| facts.unknown_token.as_deref().or(configured).and_then(|token| tokenizer.token_to_id(token)))
}

/// An error of the `tokenizers` library.
fn failed(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    Error::new(ErrorKind::Data, "the tokenizer cannot encode a text").caused_by(error)
}
