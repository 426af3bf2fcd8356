//! From a raw string to token ids, the same way in training and in serving.
//!
//! Two steps, each with a file that travels in the bundle: [`TextOptions`] (`text.json`) cleans a string, and
//! [`TextTokenizer`] (`tokenizer.json`, `tokenizer_config.json`) turns it into token ids. Where a model has only its vocabulary
//! (`vocab.txt`, `vocab.json` and `merges.txt`, or a SentencePiece model), the tokenizer is built from it the way transformers does.
//!
//! Invariants: cleaning is idempotent, so a text that was cleaned before is not harmed by being cleaned again; tokenizing
//! never pads and always cuts to one known length, whatever the tokenizer's file has baked in.

mod class;
mod files;
mod fit;
mod flags;
mod html;
mod options;
mod padding;
mod replace;
mod segmenter;
mod sentencepiece;
mod special;
mod tokenizer;
mod vocabulary;

pub use options::{TextOptions, Unicode};
pub use padding::{Padding, Side};
pub use replace::{ReplaceRule, Replacements};
pub use special::SpecialToken;
pub use tokenizer::{Encoded, TextTokenizer};
