//! How text files are read.

use encoding_rs::Encoding;
use serde::Deserialize;

use crate::interface::Interface;

/// What to do with rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadRows {
    /// Refuse the file.
    Error,
    /// Leave them out.
    Drop,
}

/// What encloses the fields of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// A quotation mark, unless the file makes sense only without.
    Detect,
    /// Nothing: quotation marks are text.
    None,
    /// This character.
    Is(u8),
}

/// How text files are read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// `None`: detected.
    pub separator: Option<u8>,
    /// What encloses fields.
    pub quote: Quote,
    /// `None`: detected.
    pub encoding: Option<&'static Encoding>,
    /// Whether there is a header; `None`: detected.
    pub header: Option<bool>,
    /// What to do with rows that cannot be read.
    pub bad_rows: BadRows,
    /// How messages name these options.
    pub interface: Interface,
}

impl ReadOptions {
    /// Everything is detected, and a bad row is an error.
    pub const fn detect(interface: Interface) -> Self {
        let (quote, bad_rows) = (Quote::Detect, BadRows::Error);
        Self { separator: None, quote, encoding: None, header: None, bad_rows, interface }
    }
}

/// One ASCII character that can separate or enclose fields; `None` if the text is no such character.
pub fn character(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => None,
    }
}
