//! The padding token and the end-of-text token.

use tokenizers::Tokenizer;

use crate::files::Facts;
use crate::special::SpecialToken;

/// How the rows of a batch are padded to one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padding {
    /// The side that is padded.
    pub side: Side,
    /// The padding token; `None` if the vocabulary has no suitable token.
    pub token: Option<SpecialToken>,
    /// Token type id of padding.
    pub type_id: u32,
    /// Whether the padding token is the end-of-text token, as in GPT-2.
    pub is_end: bool,
}

/// A side of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The start of the row.
    Left,
    /// The end of the row.
    Right,
}

/// The token with a role, or else the first of these that is in the vocabulary.
fn token(tokenizer: &Tokenizer, special: &[SpecialToken], role: &'static str, usual: &[&str]) -> Option<SpecialToken> {
    special.iter().find(|token| token.role == role).cloned().or_else(|| {
        usual.iter().find_map(|content| {
            tokenizer.token_to_id(content).map(|id| SpecialToken { role, content: (*content).to_owned(), id })
        })
    })
}

/// The end-of-text token.
pub(crate) fn end_token(tokenizer: &Tokenizer, special: &[SpecialToken]) -> Option<SpecialToken> {
    token(tokenizer, special, "eos_token", &[])
        .or_else(|| token(tokenizer, special, "sep_token", &["<|endoftext|>", "</s>", "[SEP]"]))
}

/// Role of the padding token.
pub(crate) const PAD: &str = "pad_token";

/// The padding token: by its role, by the padding settings of `tokenizer.json`, by `pad_token_id` in the model's `config.json`, by
/// its usual names, or else the end-of-text token.
pub(crate) fn padding(
    tokenizer: &Tokenizer,
    special: &[SpecialToken],
    facts: &Facts,
    model: Option<u32>,
    end: Option<&SpecialToken>,
) -> Padding {
    let baked_in: Vec<&str> = facts.padding_token.as_deref().into_iter().collect();
    let by_model = || {
        let content = tokenizer.id_to_token(model?)?;
        // If the id is that of a word, `config.json` belongs to another tokenizer.
        let is_special = tokenizer.get_added_vocabulary().is_special_token(&content);
        is_special.then_some(SpecialToken { role: PAD, content, id: model? })
    };
    let own = token(tokenizer, special, PAD, &baked_in)
        .or_else(by_model)
        .or_else(|| token(tokenizer, &[], PAD, &["[PAD]", "<pad>"]));
    let is_end = own.is_none();
    let token = own.or_else(|| end.map(|end| SpecialToken { role: PAD, ..end.clone() }));
    Padding { side: Side::Right, type_id: 0, is_end: is_end && token.is_some(), token }
}
