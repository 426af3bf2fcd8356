//! What is reported about a tokenizer.

use std::path::Path;

use firebrand_pipeline::Result;
use firebrand_text::{Side, TextTokenizer};
use serde::Serialize;

/// A model's tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokenizer {
    /// `WordPiece`, `BPE`, `Unigram` or `WordLevel`.
    pub algorithm: &'static str,
    /// Whether it was built from vocabulary files because there is no `tokenizer.json`.
    pub built_from_vocabulary: bool,
    /// Vocabulary size: one more than the largest id.
    pub vocabulary: usize,
    /// Maximum sequence length in tokens, according to the tokenizer's own files.
    pub max_length: Option<usize>,
    /// `left` or `right`.
    pub padding_side: &'static str,
    /// The special tokens that the files name, and the padding token, by id.
    pub special_tokens: Vec<SpecialToken>,
}

/// A token with a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpecialToken {
    /// `pad_token`, `cls_token`, …
    pub role: &'static str,
    /// The token.
    pub content: String,
    /// Its id.
    pub id: u32,
}

impl Tokenizer {
    /// Reads a directory's tokenizer; `model_max_length` is the model's own maximum length.
    ///
    /// # Errors
    /// When there is none, or a file of it is not valid.
    pub(crate) fn of(directory: &Path, model_max_length: Option<usize>) -> Result<Self> {
        // Any length will do if neither states one: nothing is truncated here.
        const ANY: usize = 512;
        let own = TextTokenizer::own_max_length(directory)?;
        let tokenizer = TextTokenizer::read(directory, Some(own.or(model_max_length).unwrap_or(ANY)))?;
        let padding = tokenizer.padding();
        let named = tokenizer.special_tokens();
        // If the files name no padding token, another token is used.
        let pads = padding.token.iter().filter(|pad| named.iter().all(|token| token.role != pad.role));
        let mut special_tokens: Vec<_> = named
            .iter()
            .chain(pads)
            .map(|token| SpecialToken { role: token.role, content: token.content.clone(), id: token.id })
            .collect();
        special_tokens.sort_by_key(|token| token.id);
        Ok(Self {
            algorithm: tokenizer.algorithm(),
            built_from_vocabulary: tokenizer.is_built_from_vocabulary(),
            vocabulary: tokenizer.vocab_size(),
            max_length: own,
            padding_side: match padding.side {
                Side::Left => "left",
                Side::Right => "right",
            },
            special_tokens,
        })
    }
}
