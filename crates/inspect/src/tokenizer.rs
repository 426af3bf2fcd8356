//! What is said of a tokenizer.

use std::path::Path;

use firebrand_pipeline::Result;
use firebrand_text::{Side, TextTokenizer};
use serde::Serialize;

/// A model's tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokenizer {
    /// How a text is cut: `WordPiece`, `BPE`, `Unigram` or `WordLevel`.
    pub algorithm: &'static str,
    /// Whether it was made of a vocabulary's files, as there is no `tokenizer.json`.
    pub made_of_vocabulary: bool,
    /// One more than the largest id.
    pub vocabulary: usize,
    /// The longest row by the tokenizer's own files, in tokens.
    pub longest_row: Option<usize>,
    /// `left` or `right`.
    pub padding_side: &'static str,
    /// The tokens that the files name, and the one that pads, by id.
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
    /// Reads a directory's tokenizer; `longest` is the model's own longest row.
    ///
    /// # Errors
    /// When there is none, or a file of it is not valid.
    pub(crate) fn of(directory: &Path, longest: Option<usize>) -> Result<Self> {
        // Any length does where neither says one: no row is cut here.
        const ANY: usize = 512;
        let own = TextTokenizer::own_max_length(directory)?;
        let tokenizer = TextTokenizer::read(directory, Some(own.or(longest).unwrap_or(ANY)))?;
        let padding = tokenizer.padding();
        let named = tokenizer.special_tokens();
        // Where the files name none, another token serves.
        let pads = padding.token.iter().filter(|pad| named.iter().all(|token| token.role != pad.role));
        let mut special_tokens: Vec<_> = named
            .iter()
            .chain(pads)
            .map(|token| SpecialToken { role: token.role, content: token.content.clone(), id: token.id })
            .collect();
        special_tokens.sort_by_key(|token| token.id);
        Ok(Self {
            algorithm: tokenizer.algorithm(),
            made_of_vocabulary: tokenizer.is_built_from_vocabulary(),
            vocabulary: tokenizer.vocab_size(),
            longest_row: own,
            padding_side: match padding.side {
                Side::Left => "left",
                Side::Right => "right",
            },
            special_tokens,
        })
    }
}
