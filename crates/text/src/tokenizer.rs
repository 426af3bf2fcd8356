//! The model's own tokenizer, made to cut to one length and never to pad.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use tokenizers::{
    EncodeInput, Encoding, ModelWrapper, PostProcessor, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy,
};

use crate::files::{self, Facts};
use crate::special::{Special, SpecialToken};

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
    /// `tokenizer_config.json`, with what was worked out here.
    config: Map<String, Value>,
    /// Whether it was made of a vocabulary, as the source has no `tokenizer.json`.
    made: bool,
    max_length: usize,
    vocab_size: usize,
    unknown_id: Option<u32>,
    special: Vec<SpecialToken>,
    /// The token of an empty text.
    end: Option<u32>,
    padding: Padding,
}

/// How the model expects rows of a batch to be brought to one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padding {
    /// The side on which padding stands.
    pub side: Side,
    /// The token that it is made of; `None` where there is none that could serve.
    pub token: Option<SpecialToken>,
    /// The segment that it belongs to.
    pub type_id: u32,
    /// Whether that is the end-of-text token, as the model has none for padding (GPT-2).
    pub is_end: bool,
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
    /// Reads `tokenizer.json`, and `tokenizer_config.json` and `special_tokens_map.json` where they are there. Without a
    /// `tokenizer.json` the tokenizer is made of `vocab.txt`, or of `vocab.json` and `merges.txt`: for BERT, DistilBERT,
    /// ELECTRA and MPNet, and for RoBERTa and GPT-2. Then the model's `config.json` may have to say which of them it is.
    ///
    /// Rows are cut to `max_length` tokens, special tokens included; `None` takes the length from `tokenizer_config.json`,
    /// else the one that `tokenizer.json` itself cuts to. Padding and truncation baked into `tokenizer.json` do not count
    /// otherwise.
    ///
    /// # Errors
    /// When there is neither a `tokenizer.json` nor such a vocabulary (the message says what was found), a file is not valid,
    /// no length is known, or it leaves no room beside the special tokens.
    pub fn read(directory: &Path, max_length: Option<usize>) -> Result<Self> {
        let mut config = files::read_config(directory)?;
        let mut special = Special::read(directory, &config)?;
        let (mut tokenizer, facts) = files::read_tokenizer(directory, &config, &mut special)?;
        let given = max_length.is_some();
        let max_length = match max_length.or_else(|| files::model_max_length(&config)).or(facts.truncated_to) {
            Some(length) => length,
            None => return Err(files::no_length(directory)),
        };
        let added = added_tokens(&tokenizer, false);
        if max_length <= added {
            let problem = format!("is {max_length}, but the tokenizer adds {added} special tokens to every text");
            return Err(if given {
                Error::key("max_length", problem)
            } else {
                Error::data(format!("the longest row of the tokenizer in {} {problem}", directory.display()))
            }
            .hint("let it be longer: sentences take some 30 tokens, paragraphs some 200"));
        }
        let truncation = TruncationParams {
            direction: match files::side(directory, &config, "truncation_side")? {
                Some(Side::Left) => TruncationDirection::Left,
                Some(Side::Right) | None => TruncationDirection::Right,
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
        let special = special.with_ids(&tokenizer);
        let end = end_token(&tokenizer, &special);
        let xlnet = files::is_xlnet(directory, &config);
        let usual = if xlnet { (Side::Left, 3) } else { (Side::Right, 0) };
        let side = files::side(directory, &config, "padding_side")?.or(facts.padding_side).unwrap_or(usual.0);
        let type_id = facts.padding_type_id.unwrap_or(usual.1);
        let padding = Padding {
            side,
            type_id,
            ..padding(&tokenizer, &special, &facts, files::model_pad_id(directory), end.as_ref())
        };
        // What a reader of our files cannot work out as it was done here.
        _ = config.insert("model_max_length".to_owned(), max_length.into());
        if side == Side::Left {
            _ = config.insert("padding_side".to_owned(), "left".into());
        }
        if let Some(token) = padding.token.as_ref().filter(|_| !special.iter().any(|token| token.role == PAD)) {
            _ = config.insert("pad_token".to_owned(), token.content.clone().into());
        }
        if let Some(class) = facts.class {
            _ = config.entry("tokenizer_class").or_insert_with(|| class.name().into());
        }
        Ok(Self {
            tokenizer,
            whole,
            source: directory.to_owned(),
            config,
            made: facts.class.is_some(),
            max_length,
            vocab_size,
            unknown_id,
            special,
            end: end.map(|token| token.id),
            padding,
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

    /// How a text is cut, by the name that `tokenizer.json` has for it: `WordPiece`, `BPE`, `Unigram` or `WordLevel`.
    pub fn algorithm(&self) -> &'static str {
        match self.tokenizer.get_model() {
            ModelWrapper::BPE(_) => "BPE",
            ModelWrapper::WordPiece(_) => "WordPiece",
            ModelWrapper::WordLevel(_) => "WordLevel",
            ModelWrapper::Unigram(_) => "Unigram",
        }
    }

    /// Whether it was made of a vocabulary's files, as there is no `tokenizer.json`.
    pub fn is_made(&self) -> bool {
        self.made
    }

    /// The id of what the vocabulary has no token for; `None` where every text has tokens (byte-level tokenizers).
    pub fn unknown_id(&self) -> Option<u32> {
        self.unknown_id
    }

    /// How the model expects a batch to be padded. The padding token is the one that the files name, or the one usual for
    /// such a vocabulary; where there is none, as with GPT-2, the end-of-text token serves, and [`write`](Self::write) says so.
    pub fn padding(&self) -> &Padding {
        &self.padding
    }

    /// The special tokens that the files name, or that the class of a tokenizer made of a vocabulary implies.
    pub fn special_tokens(&self) -> &[SpecialToken] {
        &self.special
    }

    /// The longest row by the tokenizer's own files: `tokenizer_config.json`; `None` where it says nothing, or a number that
    /// stands for "no limit".
    ///
    /// # Errors
    /// When the file is not valid.
    pub fn own_max_length(directory: &Path) -> Result<Option<usize>> {
        Ok(files::model_max_length(&files::read_config(directory)?))
    }

    /// Encodes one text.
    ///
    /// No row is empty: where a text has no token and the tokenizer adds none (GPT-2), the row is one end-of-text token, so
    /// that the model has something to answer to.
    ///
    /// # Errors
    /// When the tokenizer has no way to write the text: no token for unknown characters, for example, or none at all.
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| failed(&*error))?;
        self.encoded(&encoding, &[text])
    }

    /// Encodes a pair of texts as one row. Where it is too long, the longer of the two is cut first.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or when the special tokens of a pair alone fill a row.
    pub fn encode_pair(&self, first: &str, second: &str) -> Result<Encoded> {
        let added = added_tokens(&self.tokenizer, true);
        if self.max_length <= added {
            return Err(Error::data(format!(
                "a pair of texts has {added} special tokens, but a row has no more than {}",
                self.max_length
            ))
            .hint("set `tokenize.max_length` higher"));
        }
        // Not `encode_fast`, which forgets the second segment's type where no template sets it.
        let encoding =
            self.tokenizer.encode(EncodeInput::from((first, second)), true).map_err(|error| failed(&*error))?;
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
    /// `model_max_length`, the padding token where the source has none, the padding side where it is the left one, and other
    /// keys as they were; and, where the source has them, the special tokens' and vocabulary's files.
    ///
    /// # Errors
    /// When the source is gone or the system refuses.
    pub fn write(&self, directory: &Path) -> Result<()> {
        files::write(&self.source, directory, &self.config, self.made.then_some(&self.whole))
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
        if encoding.is_empty() {
            let Some(end) = self.end else {
                return Err(Error::data("a text has no token, and the tokenizer has no token for its end")
                    .hint("name one as `eos_token` in tokenizer_config.json"));
            };
            return Ok(Encoded { ids: vec![end], type_ids: vec![0], cut: 0 });
        }
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            cut: u32::try_from(cut).unwrap_or(u32::MAX),
        })
    }
}

/// How many special tokens a row of one text, or of a pair, has.
fn added_tokens(tokenizer: &Tokenizer, pair: bool) -> usize {
    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
}

/// Tokens that come from the text.
fn content(encoding: &Encoding) -> usize {
    encoding.get_special_tokens_mask().iter().filter(|&&special| special == 0).count()
}

/// A named token, else the first of these that the vocabulary has.
fn token(tokenizer: &Tokenizer, special: &[SpecialToken], role: &'static str, usual: &[&str]) -> Option<SpecialToken> {
    special.iter().find(|token| token.role == role).cloned().or_else(|| {
        usual.iter().find_map(|content| {
            tokenizer.token_to_id(content).map(|id| SpecialToken { role, content: (*content).to_owned(), id })
        })
    })
}

/// What ends a text.
fn end_token(tokenizer: &Tokenizer, special: &[SpecialToken]) -> Option<SpecialToken> {
    token(tokenizer, special, "eos_token", &[])
        .or_else(|| token(tokenizer, special, "sep_token", &["<|endoftext|>", "</s>", "[SEP]"]))
}

/// The padding token's role.
const PAD: &str = "pad_token";

/// Named, baked into `tokenizer.json`, by the model's `config.json`, by its usual names, or else the end of a text.
fn padding(
    tokenizer: &Tokenizer,
    special: &[SpecialToken],
    facts: &Facts,
    model: Option<u32>,
    end: Option<&SpecialToken>,
) -> Padding {
    let baked_in: Vec<&str> = facts.padding_token.as_deref().into_iter().collect();
    let by_model = || {
        let content = tokenizer.id_to_token(model?)?;
        // A word would be another tokenizer's padding.
        let is_special = tokenizer.get_added_vocabulary().is_special_token(&content);
        is_special.then_some(SpecialToken { role: PAD, content, id: model? })
    };
    let own = token(tokenizer, special, PAD, &baked_in)
        .or_else(by_model)
        .or_else(|| token(tokenizer, &[], PAD, &["[PAD]", "<pad>"]));
    let is_end =
        own.as_ref().is_none_or(|own| special.iter().any(|token| token.role == "eos_token" && token.id == own.id));
    let token = own.or_else(|| end.map(|end| SpecialToken { role: PAD, ..end.clone() }));
    Padding { side: Side::Right, type_id: 0, is_end: is_end && token.is_some(), token }
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
