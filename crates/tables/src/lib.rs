//! How tables are read, by the same rules when a model is trained and when it predicts.
//!
//! A file says little about itself. What is decided here: its [`Kind`], by its name; the encoding; of CSV and TSV the separator,
//! the quotes, whether there is a header, and which rows cannot be right ([`Csv`] for files in memory, [`csv::Records`] for
//! streams); and which columns hold texts and labels ([`Header`]).
//!
//! Invariants: this crate knows neither stages nor models (no burn, no polars), and only [`Interface`] knows where a user
//! sets what a hint names.

mod binary;
mod columns;
pub mod csv;
mod encoding;
mod interface;
pub mod json;
mod kind;
mod options;
pub mod wording;

pub use self::csv::{BadRow, Csv};
pub use binary::what_instead;
pub use columns::{Header, Role, is_usual};
pub use encoding::utf16_of;
pub use interface::Interface;
pub use kind::Kind;
pub use options::{BadRows, Quote, ReadOptions, character};
