//! The model's own tokenizer: truncates to one length and never pads.

use std::path::Path;

use firebrand_pipeline::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use tokenizers::{
    AddedToken, EncodeInput, Encoding, ModelWrapper, PostProcessor, Tokenizer, TruncationDirection, TruncationParams,
    TruncationStrategy,
};

use crate::class::{self, GENERIC};
use crate::files::{self, Facts};
use crate::flags;
use crate::padding::{PAD, Padding, Side, end_token, padding};
use crate::special::{Special, SpecialToken};

/// A tokenizer in the Hugging Face layout, read from and written to a directory. Can be shared between threads.
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    /// The same without truncation: the library stops as soon as a row is full, so it does not report all tokens that were
    /// truncated.
    whole: Tokenizer,
    /// `tokenizer_config.json` as written by [`write`](Self::write).
    config: Map<String, Value>,
    /// Whether it was built from a vocabulary, as the source has no `tokenizer.json`.
    built: bool,
    max_length: usize,
    vocab_size: usize,
    unknown_id: Option<u32>,
    special: Vec<SpecialToken>,
    /// The token for a text that has none.
    end: Option<u32>,
    padding: Padding,
    warnings: Vec<String>,
}

/// A tokenized text: with special tokens, truncated to the maximum length, not padded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Token type ids (segments); as many as `ids`.
    pub type_ids: Vec<u32>,
    /// Number of tokens that were truncated.
    pub cut: u32,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`, and `tokenizer_config.json` and `special_tokens_map.json` where they are there. Without a
    /// `tokenizer.json` the tokenizer is built from the vocabulary: `vocab.txt` (BERT, DistilBERT, ELECTRA, MPNet), `vocab.json`
    /// and `merges.txt` (RoBERTa, GPT-2), or a SentencePiece model (ALBERT, CamemBERT, DeBERTa v2 and v3, XLM-RoBERTa, XLNet,
    /// or any model named `tokenizer.model`). Which family it is must then follow from `tokenizer_config.json` or the model's
    /// `config.json`.
    ///
    /// Where `tokenizer_config.json` contradicts `tokenizer.json`, it takes precedence, as in transformers, and
    /// [`warnings`](Self::warnings) says so.
    ///
    /// Texts are truncated to `max_length` tokens, special tokens included. `None` means the length in `tokenizer_config.json`,
    /// or else in the truncation settings of `tokenizer.json`; its other padding and truncation settings are ignored.
    ///
    /// # Errors
    /// If there is neither a `tokenizer.json` nor such a vocabulary (the message lists the files found), the vocabulary needs a
    /// word segmenter such as MeCab, a file is not valid, no length is known, or special tokens alone exceed it.
    pub fn read(directory: &Path, max_length: Option<usize>) -> Result<Self> {
        let config = files::read_config(directory)?;
        let model = files::read_model_config(directory)?;
        let mut special = Special::read(directory, &config)?;
        let (mut tokenizer, facts) = files::read_tokenizer(directory, &config, &model, &mut special)?;
        let given = max_length.is_some();
        let max_length = match max_length.or_else(|| files::model_max_length(&config)).or(facts.truncated_to) {
            Some(length) => length,
            None => return Err(files::missing_max_length(directory)),
        };
        let added = added_tokens(&tokenizer, false);
        if max_length <= added {
            let problem = format!("is {max_length}, but the tokenizer adds {added} special tokens to every text");
            return Err(if given {
                Error::key("max_length", problem)
            } else {
                Error::data(format!("the maximum length of the tokenizer in {} {problem}", directory.display()))
            }
            .hint("let it be longer: sentences take some 30 tokens, paragraphs some 200"));
        }
        let unknown_id = unknown_id(&tokenizer, &facts, &config);
        mark_special(&mut tokenizer, special.in_order())?;
        let special = special.with_ids(&tokenizer);
        let end = end_token(&tokenizer, &special);
        let usual = if files::is_xlnet(&config, &model) { (Side::Left, 3) } else { (Side::Right, 0) };
        let padding = Padding {
            side: files::side(directory, &config, "padding_side")?.or(facts.padding_side).unwrap_or(usual.0),
            type_id: facts.padding_type_id.or_else(|| files::id(&config, PAD_TYPE)).unwrap_or(usual.1),
            ..padding(&tokenizer, &special, &facts, files::id(&model, "pad_token_id"), end.as_ref())
        };
        mark_special(&mut tokenizer, padding.token.iter().map(|pad| AddedToken::from(pad.content.clone(), true)))?;
        let truncation_side = files::side(directory, &config, "truncation_side")?.unwrap_or(Side::Right);

        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| failed(&*error))?;
        let whole = tokenizer.clone();
        let truncation = TruncationParams {
            direction: match truncation_side {
                Side::Left => TruncationDirection::Left,
                Side::Right => TruncationDirection::Right,
            },
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| failed(&*error))?;
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);

        let type_ids = class::takes_type_ids(&config, &model);
        let mut written = written_config(&config, type_ids, max_length, truncation_side, &padding);
        written.extend(flags::of(&whole, facts.lowercases).into_iter().map(|(key, value)| (key.to_owned(), value)));
        written.extend(roles(&special, &padding));
        Ok(Self {
            tokenizer,
            whole,
            config: written,
            built: facts.built,
            max_length,
            vocab_size,
            unknown_id,
            special,
            end: end.map(|token| token.id),
            padding,
            warnings: facts.warnings,
        })
    }

    /// The maximum length in tokens, special tokens included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// One more than the largest id: a model must have at least as many token embeddings.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The tokenization algorithm, as in `tokenizer.json`: `WordPiece`, `BPE`, `Unigram` or `WordLevel`.
    pub fn algorithm(&self) -> &'static str {
        match self.tokenizer.get_model() {
            ModelWrapper::BPE(_) => "BPE",
            ModelWrapper::WordPiece(_) => "WordPiece",
            ModelWrapper::WordLevel(_) => "WordLevel",
            ModelWrapper::Unigram(_) => "Unigram",
        }
    }

    /// Contradictions in the files that the user should know about, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The tokens with these ids. Ids that are not in the vocabulary are skipped.
    pub fn tokens(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().filter_map(|&id| self.whole.id_to_token(id)).collect()
    }

    /// Whether it was built from a vocabulary, as there is no `tokenizer.json`.
    pub fn is_built_from_vocabulary(&self) -> bool {
        self.built
    }

    /// Id of the unknown token; `None` for tokenizers without one (byte-level BPE).
    pub fn unknown_id(&self) -> Option<u32> {
        self.unknown_id
    }

    /// How batches are padded. The padding token is the one in the files, or the usual one for such a vocabulary; if there is
    /// none, as in GPT-2, it is the end-of-text token, and [`write`](Self::write) records that.
    pub fn padding(&self) -> &Padding {
        &self.padding
    }

    /// The special tokens in the files, or the defaults of the class if it was built from a vocabulary.
    pub fn special_tokens(&self) -> &[SpecialToken] {
        &self.special
    }

    /// `model_max_length` in `tokenizer_config.json`; `None` if it is missing or means "no limit".
    ///
    /// # Errors
    /// If the file is not valid.
    pub fn own_max_length(directory: &Path) -> Result<Option<usize>> {
        Ok(files::model_max_length(&files::read_config(directory)?))
    }

    /// Encodes one text.
    ///
    /// The result is never empty: if a text has no tokens and the tokenizer adds none (GPT-2), it is one end-of-text token.
    ///
    /// # Errors
    /// If the tokenizer cannot represent the text, for example because it has no unknown token.
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| failed(&*error))?;
        self.encoded(&encoding, &[text])
    }

    /// Encodes a pair of texts as one row. If it is too long, the longer text is truncated first.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), or if the special tokens of a pair alone exceed the maximum length.
    pub fn encode_pair(&self, first: &str, second: &str) -> Result<Encoded> {
        let added = added_tokens(&self.tokenizer, true);
        if self.max_length <= added {
            return Err(Error::data(format!(
                "a pair of texts has {added} special tokens, but a row has no more than {}",
                self.max_length
            ))
            .hint("set `tokenize.max_length` higher"));
        }
        // Not `encode_fast`, which loses the token type of the second text unless a template sets it.
        let encoding =
            self.tokenizer.encode(EncodeInput::from((first, second)), true).map_err(|error| failed(&*error))?;
        self.encoded(&encoding, &[first, second])
    }

    /// The parts of a text that become unknown tokens, in order and without duplicates.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn unknown_parts(&self, text: &str) -> Result<Vec<String>> {
        let encoding = self.whole.encode(text, false).map_err(|error| failed(&*error))?;
        let mut parts: Vec<String> = Vec::new();
        for (id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            let part = text.get(start..end).unwrap_or_default().trim();
            if Some(*id) == self.unknown_id && !part.is_empty() && !parts.iter().any(|known| known == part) {
                parts.push(part.to_owned());
            }
        }
        Ok(parts)
    }

    /// Encodes several texts, on all cores.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Encoded>> {
        let encodings = self.tokenizer.encode_batch_fast(texts.to_vec(), true).map_err(|error| failed(&*error))?;
        encodings.iter().zip(texts).map(|(encoding, text)| self.encoded(encoding, &[text])).collect()
    }

    /// Writes files with which transformers' `AutoTokenizer` and [`read`](Self::read) tokenize exactly like this tokenizer:
    /// `tokenizer.json`, without padding and truncation settings; `tokenizer_config.json`, whose class makes transformers use
    /// `tokenizer.json` unchanged and whose flags agree with it; and `special_tokens_map.json`.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        files::write(directory, &self.whole, &self.config, &roles(&self.special, &self.padding))
    }

    fn encoded(&self, encoding: &Encoding, texts: &[&str]) -> Result<Encoded> {
        let mut cut = 0;
        // A shorter row was not truncated.
        if encoding.len() >= self.max_length {
            for text in texts {
                cut += content(&self.whole.encode_fast(*text, false).map_err(|error| failed(&*error))?);
            }
            cut = cut.saturating_sub(content(encoding));
        }
        if encoding.is_empty() {
            let Some(end) = self.end else {
                return Err(Error::data("a text has no tokens, and the tokenizer has no end-of-text token")
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

/// Key of the token type id of padding.
const PAD_TYPE: &str = "pad_token_type_id";

/// `tokenizer_config.json` as written, without flags and special tokens. Only these keys are kept: others could make
/// transformers build a tokenizer that differs from `tokenizer.json`.
fn written_config(
    config: &Map<String, Value>,
    type_ids: bool,
    max_length: usize,
    truncation_side: Side,
    padding: &Padding,
) -> Map<String, Value> {
    let name = |side: Side| if side == Side::Left { "left" } else { "right" };
    let inputs: &[&str] =
        if type_ids { &["input_ids", "token_type_ids", "attention_mask"] } else { &["input_ids", "attention_mask"] };
    let mut written = Map::new();
    let mut set = |key: &str, value: Value| _ = written.insert(key.to_owned(), value);
    set("tokenizer_class", GENERIC.into());
    set("model_max_length", max_length.into());
    set("model_input_names", config.get("model_input_names").cloned().unwrap_or_else(|| inputs.into()));
    set("padding_side", name(padding.side).into());
    set("truncation_side", name(truncation_side).into());
    set("clean_up_tokenization_spaces", config.get("clean_up_tokenization_spaces").cloned().unwrap_or(false.into()));
    if padding.type_id != 0 {
        set(PAD_TYPE, padding.type_id.into());
    }
    written
}

/// The special tokens by role, including the padding token.
fn roles(special: &[SpecialToken], padding: &Padding) -> Map<String, Value> {
    let pads = padding.token.iter().filter(|_| !special.iter().any(|token| token.role == PAD));
    special.iter().chain(pads).map(|token| (token.role.to_owned(), token.content.clone().into())).collect()
}

/// Marks those of these tokens that are in the vocabulary as special, so that they are never split: transformers does so with
/// every token in the configuration.
fn mark_special(tokenizer: &mut Tokenizer, tokens: impl IntoIterator<Item = AddedToken>) -> Result<()> {
    let known = tokenizer.get_added_vocabulary().get_vocab();
    let tokens: Vec<AddedToken> = tokens
        .into_iter()
        .filter(|token| !known.contains_key(&token.content) && tokenizer.token_to_id(&token.content).is_some())
        .collect();
    _ = tokenizer.add_tokens(tokens).map_err(|error| failed(&*error))?;
    Ok(())
}

/// Number of special tokens that are added to a text, or to a pair of texts.
fn added_tokens(tokenizer: &Tokenizer, pair: bool) -> usize {
    tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
}

/// Number of tokens that come from the text.
fn content(encoding: &Encoding) -> usize {
    encoding.get_special_tokens_mask().iter().filter(|&&special| special == 0).count()
}

/// Id of the unknown token, by `tokenizer.json` or else by `unk_token` in `tokenizer_config.json`.
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
