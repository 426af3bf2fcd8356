//! From raw texts to tokens, as in training.

use std::path::Path;

use firebrand_pipeline::Result;
use firebrand_text::{Encoded, TextOptions, TextTokenizer};

use crate::classifier::Query;
use crate::refusal::{InputKind, Refusal};

/// Cleaning and tokenizing.
#[derive(Debug)]
pub(crate) struct Encoder {
    tokenizer: TextTokenizer,
    cleaning: TextOptions,
    /// What the model was trained on; `None` if the directory does not say.
    kind: Option<InputKind>,
    /// Token ids of an empty text.
    empty_ids: Vec<u32>,
}

/// Tokens of the longest text where neither tokenizer nor model states a number (XLNet): what most models take.
const UNSTATED_LENGTH: usize = 512;

/// A query as the model reads it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) encoded: Encoded,
    /// Nothing of the text (of either text of a pair) is left.
    pub(crate) empty: bool,
}

impl Encoder {
    /// Reads the tokenizer and, if it is there, `text.json`. Without it, the directory is not a bundle but one from the hub: texts
    /// are not cleaned, and truncated to what both tokenizer and model take. `most` is what the model takes.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub(crate) fn open(directory: &Path, asked: Option<usize>, most: Option<usize>) -> Result<Self> {
        let path = directory.join("text.json");
        let (cleaning, kind, max_length) = if path.exists() {
            let options = TextOptions::read(&path)?;
            let kind = if options.pairs { InputKind::Pairs } else { InputKind::Single };
            (options, Some(kind), asked)
        } else {
            let own = TextTokenizer::own_max_length(directory)?;
            let length = asked.or([own, most].into_iter().flatten().min()).unwrap_or(UNSTATED_LENGTH);
            (TextOptions::UNTOUCHED, None, Some(length))
        };
        let tokenizer = TextTokenizer::read(directory, max_length)?;
        // A tokenizer that cannot encode an empty text will refuse the empty texts, one by one.
        let empty = match kind {
            Some(InputKind::Pairs) => tokenizer.encode_pair("", ""),
            _ => tokenizer.encode(""),
        };
        let empty_ids = empty.map_or_else(|_| Vec::new(), |encoded| encoded.ids);
        Ok(Self { tokenizer, cleaning, kind, empty_ids })
    }

    pub(crate) fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// What the model was trained on; `None` if the directory does not say.
    pub(crate) fn kind(&self) -> Option<InputKind> {
        self.kind
    }

    pub(crate) fn encode(&self, query: &Query<'_>) -> Result<Row, Refusal> {
        let given = if query.pair.is_some() { InputKind::Pairs } else { InputKind::Single };
        if let Some(expected) = self.kind.filter(|&expected| expected != given) {
            return Err(Refusal::Kind { expected });
        }
        let text = self.cleaning.clean(query.text);
        let pair = query.pair.map(|pair| self.cleaning.clean(pair));
        let encoded = match &pair {
            Some(pair) => self.tokenizer.encode_pair(&text, pair),
            None => self.tokenizer.encode(&text),
        };
        let encoded = encoded.map_err(|error| {
            let message = std::iter::once(error.message()).chain(error.causes().iter().map(String::as_str));
            Refusal::Tokenizer(message.collect::<Vec<_>>().join(": "))
        })?;
        let blank = [Some(&text), pair.as_ref()].into_iter().flatten().any(|text| text.trim().is_empty());
        let empty = blank || encoded.ids == self.empty_ids;
        Ok(Row { encoded, empty })
    }
}
