//! From a raw string to token ids, the same way in training and in serving.
//!
//! Two steps, each with a file that travels in the bundle: [`TextOptions`] (`text.json`) cleans a string, and
//! [`TextTokenizer`] (`tokenizer.json`, `tokenizer_config.json`) cuts it into ids. Where a model has only its vocabulary
//! (`vocab.txt`, or `vocab.json` and `merges.txt`), the tokenizer is made of that as transformers does it.
//!
//! Invariants: cleaning is idempotent, so a text that was cleaned before is not harmed by being cleaned again; tokenizing
//! never pads and always cuts to one known length, whatever the tokenizer's file has baked in.

mod files;
mod fit;
mod html;
mod options;
mod special;
mod tokenizer;
mod vocabulary;

pub use options::{TextOptions, Unicode};
pub use special::SpecialToken;
pub use tokenizer::{Encoded, Padding, Side, TextTokenizer};
